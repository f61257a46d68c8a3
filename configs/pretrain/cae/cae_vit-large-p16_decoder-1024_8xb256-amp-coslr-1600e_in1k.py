"""CAE, ViT-L/16, 1600 epochs, with the regressor and decoder that its script means to ask for.

Source: Chen et al. 2022 (arXiv 2202.03026); Atten4Vis/CAE, scripts/cae_large_1600e.sh, lines 38 to
40.
Expected: 86.2 % top-1 after fine-tuning, if the released weights come from these settings
(README.md).
Cost: not published; the script asks for 32 GPUs with 64 images each.

    tools/dist_train.sh \
    configs/pretrain/cae/cae_vit-large-p16_decoder-1024_8xb256-amp-coslr-1600e_in1k.py 8

1024 wide with 16 heads and no projection, a layer scale of 1e-5, BEiT's start of linear layers. A
missing backslash keeps these options from the script's run, and the code reads only the width.
"""

_base_ = [
    '../../_base_/models/cae_vit-large-p16.py',
    '../../_base_/datasets/imagenet_cae.py',
    '../../_base_/schedules/cae_300e.py',
    '../../_base_/mmpretrain_runtime.py',
]

custom_imports = dict(imports=['mae_transfer.pretrain'], allow_failed_imports=False)
default_hooks = dict(checkpoint=dict(interval=20))
train_dataloader = dict(batch_size=128)
optim_wrapper = dict(accumulative_counts=2)  # x 8 GPUs x 128 = 2048

model = dict(
    neck=dict(embed_dims=1024, num_heads=16, layer_scale_init=1e-5), linear_init='rescaled'
)
max_epochs = 1600
warm_up_epochs = 40

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = warm_up_epochs
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
