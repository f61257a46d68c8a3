"""CAE, ViT-L/16, 800 epochs on ImageNet-1K with DALL-E's tokens.

Source: Chen et al. 2022 (arXiv 2202.03026); Atten4Vis/CAE, scripts/cae_large_1600e.sh.
Expected: not known: the code's README has 1600 epochs.
Cost: not published; the script asks for 32 GPUs with 64 images each.

    tools/dist_train.sh configs/pretrain/cae/cae_vit-large-p16_8xb256-amp-coslr-800e_in1k.py 8
"""

_base_ = './cae_vit-large-p16_8xb256-amp-coslr-300e_in1k.py'

max_epochs = 800
warm_up_epochs = 20

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = warm_up_epochs
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
