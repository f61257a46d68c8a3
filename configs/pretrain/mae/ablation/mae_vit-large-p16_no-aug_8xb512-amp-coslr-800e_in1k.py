"""MAE ablation, ViT-L/16: the center of each picture, no flip.

Source: He et al. 2021 (arXiv 2111.06377), section 4.1 and table 1e.
Expected: 84.0 % top-1 after fine-tuning, 65.7 % with a linear probe (Table 1e).
Cost: as for the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_no-aug_8xb512-amp-coslr-800e_in1k.py 8

The paper states no size before the crop; 256 is that of evaluation.
"""

_base_ = './mae_vit-large-p16_pixel_8xb512-amp-coslr-800e_in1k.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
