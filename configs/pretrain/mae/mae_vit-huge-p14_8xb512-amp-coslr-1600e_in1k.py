"""MAE, ViT-H/14, 1600 epochs on ImageNet-1K: the released model, start of the transfer recipes.

Source: He et al. 2021 (arXiv 2111.06377), Table 3; facebookresearch/mae, PRETRAIN.md.
Expected: 86.9 % top-1 after fine-tuning, 87.8 at 448 pixels (Table 3; MMPretrain's runs:
86.9 and 87.3), 76.6 % of a linear probe (Table 12; MAE's PyTorch code: 77.2).
Cost: twice of 800 epochs, which took 34.5 h on 128 TPU-v3 (Table 2).

    tools/dist_train.sh configs/pretrain/mae/mae_vit-huge-p14_8xb512-amp-coslr-1600e_in1k.py 8
"""

_base_ = './mae_vit-huge-p14_8xb512-amp-coslr-800e_in1k.py'

max_epochs = 1600

param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
