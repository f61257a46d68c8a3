"""CAE, ViT-S/16, 800 epochs on ImageNet-1K with DALL-E's tokens.

Source: Atten4Vis/CAE, modeling_cae.py (encoder of 12 heads), with the settings of ViT-B's scripts.
Expected: not known: the paper tells of a ViT-S, but no source read here has its score.
Cost: not published; not run here.

    tools/dist_train.sh configs/pretrain/cae/cae_vit-small-p16_8xb256-amp-coslr-800e_in1k.py 8
"""

_base_ = './cae_vit-small-p16_8xb256-amp-coslr-300e_in1k.py'

max_epochs = 800
warm_up_epochs = 20

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = warm_up_epochs
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
