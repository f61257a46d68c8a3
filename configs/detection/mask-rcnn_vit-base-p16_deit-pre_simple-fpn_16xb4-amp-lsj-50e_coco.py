"""ViTDet: Mask R-CNN on a plain ViT-B/16 trained with labels, 50 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Table 4 ("IN-1K, supervised") and Table 11. No layer
decay, which does not help here (A.2).
Expected: 47.6 box AP, 42.4 mask AP (Table 4, from weights of the authors).
Cost: not published; half of the 100 epochs from MAE.

Table 4 is without relative position, and so is this; --cfg-options model.backbone.rel_pos=True
adds it (worth about 1 AP from MAE).

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-base-p16_deit-pre_simple-fpn_16xb4-amp-lsj-50e_coco.py 16 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_simple-fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/vitdet_50e.py',
    '../_base_/detect_iters_runtime.py',
]

model = dict(
    backbone=dict(
        rel_pos=False,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='PretrainedViT', checkpoint='checkpoints/deit_base_patch16_224-b5f2ef4d.pth'
        ),
    )
)
optim_wrapper = dict(optimizer=dict(lr=8e-5))
