"""CAE's fine-tuning of ViT-S/16 on ImageNet-1K, 200 epochs.

Source: Chen et al. 2022 (arXiv 2202.03026), sec. 5.2; no script is released. CAE's ViT-S has 12
heads, not 6. Not stated: drop path (here ViT-B's), mixup, cutmix (here BEiT's, as for ViT-B).
Expected: not known here (the paper's Table 1).
Cost: not published.

    tools/dist_train.sh \
        configs/classification/vit-small-p16_cae-pre_32xb128-amp-coslr-200e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-base-p16_cae-pre_32xb128-amp-coslr-100e_in1k.py'

max_epochs = 200

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=384, num_layers=12, num_heads=12),
        init_cfg=dict(checkpoint='checkpoints/cae_small.pth'),
    ),
    head=dict(in_channels=384),
)
optim_wrapper = dict(optimizer=dict(lr=1.6e-2), paramwise_cfg=dict(layer_decay_rate=0.75))
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_epochs
param_scheduler[1].eta_min_ratio = 1e-6 / 1.6e-2
train_cfg = dict(max_epochs=max_epochs)
