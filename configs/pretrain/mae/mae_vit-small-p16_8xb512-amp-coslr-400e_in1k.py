"""MAE, ViT-S/16, 400 epochs on ImageNet-1K: a quarter of the longest schedule.

Source: He et al. 2021 (arXiv 2111.06377), Table 8; the encoder and its decoder of 8 x 256 are those
of CrossMAE's code (TonyLianLong/CrossMAE), MAE's has no ViT-S.
Expected: no published score for MAE's ViT-S. CrossMAE, with another decoder, reports 79.3 % top-1
after fine-tuning.
Cost: not published for ViT-S; ViT-L took about 42 h for 800 epochs on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh configs/pretrain/mae/mae_vit-small-p16_8xb512-amp-coslr-400e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/mae_vit-small-p16.py',
    '../../_base_/datasets/imagenet_mae.py',
    '../../_base_/schedules/mae_400e.py',
    '../../_base_/pretrain_runtime.py',
]
