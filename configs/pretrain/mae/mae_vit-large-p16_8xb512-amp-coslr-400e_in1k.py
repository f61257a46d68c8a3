"""MAE, ViT-L/16, 400 epochs on ImageNet-1K: half of the ablations.

Source: He et al. 2021 (arXiv 2111.06377), section 4 and Table 8; facebookresearch/mae, PRETRAIN.md.
Expected: 85.2 % top-1 after fine-tuning and 70.7 % of a linear probe (MMPretrain's, whose positions
have the other axis order).
Cost: half of 800 epochs, which took 42 h on 64 V100 GPUs (PRETRAIN.md).

    tools/dist_train.sh configs/pretrain/mae/mae_vit-large-p16_8xb512-amp-coslr-400e_in1k.py 8
"""

_base_ = './mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py'

max_epochs = 400

param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
