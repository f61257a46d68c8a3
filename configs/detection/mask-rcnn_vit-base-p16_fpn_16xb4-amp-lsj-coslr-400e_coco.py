"""Benchmark of plain ViTs in Mask R-CNN: ViT-B/16 from random weights, 400 epochs on COCO.

Source: Li et al. 2021 (arXiv 2111.11429), 2.1 to 2.4 and Table 1.
Expected: 48.9 box AP.
Cost: not published.

    tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-base-p16_fpn_16xb4-amp-lsj-coslr-400e_coco.py \
        16
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/lsj-cosine_400e.py',
    '../_base_/mmdet_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=1.6e-4, weight_decay=0.2))
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=5000, save_best='coco/bbox_mAP'),
)
