"""MAE, ViT-S/16, 400 epochs on ImageNet-1K: a quarter of the longest schedule.

Source: He et al. 2021 (arXiv 2111.06377), Table 8; the encoder and its decoder of 8 x 256 are those
of CrossMAE's code (TonyLianLong/CrossMAE), MAE's has no ViT-S.
Expected: MAE tells no number for ViT-S. CrossMAE, with another decoder, reports 79.3 % top-1 after
fine-tuning.
Cost: not published for ViT-S; ViT-L took about 42 h for 800 epochs on 64 V100 GPUs (PRETRAIN.md).

    tools/dist_train.sh configs/pretrain/mae/mae_vit-small-p16_8xb512-amp-coslr-400e_in1k.py 8
"""

_base_ = './mae_vit-small-p16_8xb512-amp-coslr-800e_in1k.py'

max_epochs = 400

param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
