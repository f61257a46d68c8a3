"""ViT-L/16 from scratch on ImageNet-1K with labels, 200 epochs: MAE's baseline.

Source: He et al. 2021 (arXiv 2111.06377), Tables 3 and 11; no code is released. Random erasing,
mean of the patches and learned positions, which the table does not state, are fine-tuning's.
Expected: 82.6 % top-1, 81.5 without the averaged weights, EMA .9999 (Tables 3 and 11).
Cost: not published.

    bash tools/dist_train.sh \
        configs/classification/vit-large-p16_32xb128-amp-ema-coslr-200e_in1k.py 32
"""

_base_ = [
    '../_base_/models/classifier_vit-large-p16.py',
    '../_base_/datasets/imagenet_finetune.py',
    '../_base_/schedules/mae-scratch_200e.py',
    '../_base_/classify_ema_runtime.py',
]

model = dict(backbone=dict(drop_path_rate=0.2))
