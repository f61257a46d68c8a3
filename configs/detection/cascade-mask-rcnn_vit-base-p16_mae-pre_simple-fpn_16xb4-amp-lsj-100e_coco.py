"""ViTDet: Cascade Mask R-CNN on a plain ViT-B/16 from MAE, 100 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Tables 5 and 11; Detectron2, projects/ViTDet,
cascade_mask_rcnn_vitdet_b_100ep.
Expected: 54.0 box AP, 46.7 mask AP (paper and Detectron2's README).
Cost: .362 s an iteration on 64 A100 GPUs with one image each (README), so about 19 h.

Each stage has a mask head of its own, as in MMDetection; Detectron2 has one for all.

    tools/dist_train.sh \
        configs/detection/cascade-mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py \
        16 --pretrained WORK_DIR_OR_FILE
"""  # noqa: E501

_base_ = [
    '../_base_/models/cascade-mask-rcnn_vit-base-p16_simple-fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/vitdet_100e.py',
    '../_base_/mmdet_runtime.py',
]

model = dict(
    backbone=dict(
        drop_path_rate=0.1,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_base.pth'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=1e-4), paramwise_cfg=dict(layer_decay_rate=0.7))
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=5000, save_best='coco/bbox_mAP'),
)
