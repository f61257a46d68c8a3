"""MAE, ViT-B/16, 400 epochs on ImageNet-1K: a quarter of the longest schedule.

Source: He et al. 2021 (arXiv 2111.06377), section 4 and Table 8; facebookresearch/mae, PRETRAIN.md.
Expected: 83.3 % top-1 after fine-tuning and 62.5 % of a linear probe (MMPretrain's, whose positions
have the other axis order). The paper tells no ViT-B number for 400 epochs.
Cost: not published for ViT-B; ViT-L took about 42 h for 800 epochs on 64 V100 GPUs (PRETRAIN.md).

    tools/dist_train.sh configs/pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-400e_in1k.py 8
"""

_base_ = './mae_vit-base-p16_8xb512-amp-coslr-800e_in1k.py'

max_epochs = 400

param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
