"""Linear probe of MAE's ViT-L/16 on ImageNet-1K, 90 epochs: a frozen encoder, its class token.

Source: He et al. 2021 (arXiv 2111.06377), Table 10; facebookresearch/mae, main_linprobe.py and
FINETUNE.md.
Expected: 76.0 % top-1 from 1600 epochs of MAE (FINETUNE.md; paper: 75.8). 50 epochs are enough
(FINETUNE.md).
Cost: not published; 32 GPUs.

    bash tools/dist_train.sh \
        configs/classification/vit-large-p16_mae-pre_32xb512-amp-linear-coslr-90e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-base-p16_mae-pre_32xb512-amp-linear-coslr-90e_in1k.py'

model = dict(
    backbone=dict(
        arch='large',
        init_cfg=dict(checkpoint='checkpoints/mae_pretrain_vit_large.pth'),
    ),
    neck=dict(input_features=1024),
    head=dict(in_channels=1024),
)
