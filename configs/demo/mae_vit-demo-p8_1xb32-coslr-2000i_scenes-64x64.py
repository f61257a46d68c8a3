"""Demo: MAE with a small ViT on unlabeled scenes, on one core.

Pictures of 64 pixels, 16 of 64 patches visible. Targets are plain pixels, so that reconstructions
show the model's own colors. No flip: a mirrored digit is not a digit.

Expected: no published score. Measured here, with the demo's two tasks: 7.2 box AP, 4.3 mask AP,
74.2 mIoU.

    python tools/train.py configs/demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py

`make demo` makes the data and runs this config first.
"""

_base_ = [
    '../_base_/models/mae_vit-demo-p8.py',
    '../_base_/datasets/scenes_mae.py',
    '../_base_/schedules/demo_pretrain_2000i.py',
    '../_base_/demo_pretrain_runtime.py',
]

optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.95)))
