"""MAE ablation, ViT-L/16: crops of random size, flips and colour jitter.

Source: He et al. 2021 (arXiv 2111.06377), section 4.1 and table 1e.
Expected: 84.3 % top-1 after fine-tuning, 71.9 % of a linear probe.
Cost: as the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md).

    tools/dist_train.sh \
    configs/pretrain/mae/ablation/mae_vit-large-p16_color-jitter_8xb512-amp-coslr-800e_in1k.py 8

The paper tells no strength; this is MoCo v2's.
"""

_base_ = '../mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py'

model = dict(target_generator=dict(norm_pix=False))

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.2, 1.0),  # of the area
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
