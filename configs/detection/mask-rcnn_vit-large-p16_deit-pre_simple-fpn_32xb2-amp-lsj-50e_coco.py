"""ViTDet: Mask R-CNN on a plain ViT-L/16 trained with labels, 50 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Table 4 ("IN-1K, supervised") and Table 11. No layer
decay: it brings nothing here (A.2).
Expected: 49.6 box AP, 43.8 mask AP (Table 4, from weights of the authors).
Cost: not published; half of the 100 epochs from MAE.

Table 4 is without relative position, so this is, too; --cfg-options model.backbone.rel_pos=True
adds it (worth about 1 AP from MAE).

DeiT has no ViT-L: give weights of your own with --pretrained. DeiT III's need
--cfg-options model.backbone.layer_scale_init=1.0.

    tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_deit-pre_simple-fpn_32xb2-amp-lsj-50e_coco.py \
        32 --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_simple-fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/vitdet_50e.py',
    '../_base_/mmdet_runtime.py',
]

model = dict(
    backbone=dict(
        arch='large',
        global_blocks=(5, 11, 17, 23),
        rel_pos=False,
        drop_path_rate=0.4,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/deit_large_in1k.pth'),
    ),
    neck=dict(in_channels=1024),
)
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(optimizer=dict(lr=8e-5))
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=5000, save_best='coco/bbox_mAP'),
)
