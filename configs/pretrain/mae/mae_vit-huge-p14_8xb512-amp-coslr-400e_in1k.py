"""MAE, ViT-H/14, 400 epochs on ImageNet-1K: half of the ablations.

Source: He et al. 2021 (arXiv 2111.06377), section 4 and Table 8; facebookresearch/mae, PRETRAIN.md.
Expected: not published.
Cost: half of 800 epochs, which took 34.5 h on 128 TPU-v3 (Table 2).

    tools/dist_train.sh configs/pretrain/mae/mae_vit-huge-p14_8xb512-amp-coslr-400e_in1k.py 8
"""

_base_ = './mae_vit-huge-p14_8xb512-amp-coslr-800e_in1k.py'

max_epochs = 400

param_scheduler = _base_.param_scheduler
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
