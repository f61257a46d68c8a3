"""CAE: Mask R-CNN on ViT-B/16 from CAE, 12 epochs on COCO.

Source: Chen et al. 2022 (arXiv 2202.03026), 5.2 and Table 6; https://github.com/Atten4Vis/CAE,
downstream_tasks/detection.
Expected: 50.3 box AP, 44.2 mask AP from 1600 epochs of CAE; 49.9, 43.9 from 800; 48.3, 42.7 from
300 (README).
Cost: not published.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-base-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py 16 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/mask-rcnn_cae-base-p16_fpn.py',
    '../_base_/datasets/coco_ms-480-800.py',
    '../_base_/schedules/cae-coco_12e.py',
    '../_base_/detect_epochs_runtime.py',
]

model = dict(
    backbone=dict(
        drop_path_rate=0.2,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/cae_base_1600ep.pth'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=3e-4), paramwise_cfg=dict(layer_decay_rate=0.75))
