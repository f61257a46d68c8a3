"""MAE ablation, ViT-L/16: crops of random size, flips and color jitter.

Source: He et al. 2021 (arXiv 2111.06377), section 4.1 and table 1e.
Expected: 84.3 % top-1 after fine-tuning, 71.9 % with a linear probe (Table 1e).
Cost: as for the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_color-jitter_8xb512-amp-coslr-800e_in1k.py 8

The paper states no strength; this is MoCo v2's.
"""

_base_ = './mae_vit-large-p16_pixel_8xb512-amp-coslr-800e_in1k.py'

train_pipeline = _base_.train_pipeline
train_pipeline.insert(
    3,  # after the flip
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
