"""CAE's fine-tuning of ViT-L/16 on ImageNet-1K, 50 epochs.

Source: Chen et al. 2022 (arXiv 2202.03026), sec. 5.2; Atten4Vis/CAE, scripts/cae_large_finetune.sh.
Expected: 86.2 % top-1 from 1600 epochs of CAE (README of the code; paper: 86.3).
Cost: not published; 32 GPUs, two passes of 64 images for a step.

    tools/dist_train.sh \
        configs/classification/vit-large-p16_cae-pre_32xb128-amp-coslr-50e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-base-p16_cae-pre_32xb128-amp-coslr-100e_in1k.py'

max_epochs = 50

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.2,
        layer_scale_init=1e-5,
        init_cfg=dict(checkpoint='checkpoints/cae_large_1600ep.pth'),
    ),
    head=dict(in_channels=1024),
)
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(
    accumulative_counts=2, optimizer=dict(lr=2e-3), paramwise_cfg=dict(layer_decay_rate=0.75)
)
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_epochs
param_scheduler[1].eta_min_ratio = 1e-6 / 2e-3
train_cfg = dict(max_epochs=max_epochs)
