"""Demo: the pre-trained encoder inside Mask R-CNN, on few labeled scenes.

The parts of the ViTDet recipe at a size for two cores: simple feature pyramid, channel layer norm,
layer-wise learning-rate decay; 32 channels instead of 256. Without --pretrained it trains from
random weights.

Expected: no published score. Measured here: 7.2 box AP, 4.3 mask AP; 3.9 and 2.0 from random
weights.

    python tools/train.py \
        configs/demo/mask-rcnn_vit-demo-p8_mae-pre_simple-fpn_1xb8-600i_scenes-64x64.py \
        --pretrained work_dirs/demo/seed-0/pretrain
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-demo-p8_simple-fpn.py',
    '../_base_/datasets/scenes_coco.py',
    '../_base_/schedules/demo_finetune_600i.py',
    '../_base_/mmdet_runtime.py',
]

optim_wrapper = dict(optimizer=dict(weight_decay=0.1))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=150, max_keep_ckpts=1))
