"""ViT-B/16 from scratch on ImageNet-1K with labels, 300 epochs: MAE's baseline.

Source: He et al. 2021 (arXiv 2111.06377), Tables 3 and 11; no code is released. Random erasing,
mean of the patches and learned positions, which the table does not state, are fine-tuning's.
Expected: 82.3 % top-1, 82.1 without the averaged weights, EMA .9999 (Tables 3 and 11).
Cost: not published.

    bash tools/dist_train.sh \
        configs/classification/vit-base-p16_32xb128-amp-ema-coslr-300e_in1k.py 32
"""

_base_ = [
    '../_base_/models/classifier_vit-base-p16.py',
    '../_base_/datasets/imagenet_finetune.py',
    '../_base_/schedules/mae-scratch_300e.py',
    '../_base_/classify_ema_runtime.py',
]

model = dict(backbone=dict(drop_path_rate=0.1))
