"""The demo's pre-training, 1.8 times as long; `make study` runs it for each seed.

Expected: no published score. Measured here: the table of three seeds in the project's README.

    python tools/train.py configs/demo/mae_vit-demo-p8_1xb32-coslr-3600i_scenes-64x64.py
"""

_base_ = './mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py'

max_iters = 3600
param_scheduler = [
    dict(type='LinearWarmupLR', start_factor=1e-3, by_epoch=False, begin=0, end=max_iters // 20),
    dict(
        type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=max_iters // 20, end=max_iters
    ),
]
train_cfg = dict(max_iters=max_iters)
