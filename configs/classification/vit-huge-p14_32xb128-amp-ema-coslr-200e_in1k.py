"""ViT-H/14 from scratch on ImageNet-1K with labels, 200 epochs: MAE's baseline.

Source: He et al. 2021 (arXiv 2111.06377), Tables 3 and 11; no code is released. Random erasing,
mean of the patches and learned positions, which the table does not state, are fine-tuning's.
Expected: 83.1 % top-1, 80.9 without the averaged weights (EMA .9999).
Cost: not published.

    tools/dist_train.sh configs/classification/vit-huge-p14_32xb128-amp-ema-coslr-200e_in1k.py 32
"""

_base_ = './vit-base-p16_32xb128-amp-ema-coslr-300e_in1k.py'

max_epochs = 200

model = dict(
    backbone=dict(arch='huge', patch_size=14, drop_path_rate=0.2), head=dict(in_channels=1280)
)
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
