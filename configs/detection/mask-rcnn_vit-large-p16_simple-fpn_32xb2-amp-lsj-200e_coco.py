"""ViTDet: Mask R-CNN on a plain ViT-L/16 from random weights, 200 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Table 4 ("none (random init.)") and Table 11. No layer
decay.
Expected: 50.0 box AP, 44.2 mask AP (Table 4).
Cost: not published; twice the 100 epochs from MAE.

Table 4 is without relative position, and so is this; --cfg-options model.backbone.rel_pos=True
adds it (worth about 1 AP from MAE).

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_simple-fpn_32xb2-amp-lsj-200e_coco.py 32
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_simple-fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/vitdet_200e.py',
    '../_base_/detect_iters_runtime.py',
]

model = dict(
    backbone=dict(
        arch='large',
        global_blocks=(5, 11, 17, 23),
        rel_pos=False,
        drop_path_rate=0.4,
    ),
    neck=dict(in_channels=1024),
)
train_dataloader = dict(batch_size=2)
