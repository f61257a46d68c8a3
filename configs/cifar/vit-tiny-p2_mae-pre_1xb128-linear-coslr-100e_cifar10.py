"""Linear probe of MAE's ViT-T/2 on CIFAR-10: the fine-tuning with a frozen encoder, 100 epochs.

Source: none with a score. Articles about IcarusWizard/MAE describe its second run this way, but its
code fine-tunes; everything else is as in that code.
Expected: no published score.
Cost: not published.

    python tools/train.py configs/cifar/vit-tiny-p2_mae-pre_1xb128-linear-coslr-100e_cifar10.py \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-tiny-p2_1xb128-coslr-100e_cifar10.py'

model = dict(
    backbone=dict(
        frozen_stages=12,
        init_cfg=dict(
            type='PretrainedViT',
            checkpoint='work_dirs/mae_vit-tiny-p2_1xb4096-coslr-2000e_cifar10',
        ),
    )
)
