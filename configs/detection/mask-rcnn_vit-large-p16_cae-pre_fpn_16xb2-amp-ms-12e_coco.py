"""CAE: Mask R-CNN on ViT-L/16 from CAE, 12 epochs on COCO.

Source: Chen et al. 2022 (arXiv 2202.03026), 5.2 and Table 6; https://github.com/Atten4Vis/CAE,
downstream_tasks/detection.
Expected: 54.5 box AP, 47.5 mask AP from 1600 epochs of CAE (README; the text says 54.6).
Cost: not published.

Layer decay is .85 as in the released config; the paper says .8:
--cfg-options optim_wrapper.paramwise_cfg.layer_decay_rate=.8

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py 16 \
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
        arch='large',
        out_indices=(7, 11, 15, 23),
        layer_scale_init=1e-5,
        drop_path_rate=0.2,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/cae_large_1600ep.pth'),
    ),
    neck=[
        dict(type='RescaledPyramid', embed_dims=1024, norm_cfg=_base_.norm_cfg),
        dict(type='FPN', in_channels=[1024] * 4, out_channels=256, num_outs=5),
    ],
)
optim_wrapper = dict(optimizer=dict(lr=2e-4), paramwise_cfg=dict(layer_decay_rate=0.85))
