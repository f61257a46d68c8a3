"""Fine-tuning of ViT-S/16 on ImageNet-1K, 100 epochs, with MAE's recipe for ViT-B.

Source: none for this size: MAE publishes no ViT-S. The recipe is ViT-B's of facebookresearch/mae,
FINETUNE.md.
Expected: no published score for MAE. CrossMAE, another pre-training of the same encoder for 800
epochs, gives 79.3 % top-1 (README of TonyLianLong/CrossMAE, which states no recipe for ViT-S
either).
Cost: not published.

    bash tools/dist_train.sh \
        configs/classification/vit-small-p16_mae-pre_8xb128-amp-coslr-100e_in1k.py 8 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-base-p16_mae-pre_8xb128-amp-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        arch='small',
        init_cfg=dict(checkpoint='checkpoints/mae_pretrain_vit_small.pth'),
    ),
    head=dict(in_channels=384),
)
