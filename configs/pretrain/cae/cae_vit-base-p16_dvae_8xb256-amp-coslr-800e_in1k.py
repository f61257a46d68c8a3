"""CAE, ViT-B/16, 800 epochs, with the tokens of our own discrete VAE.

Source: Chen et al. 2022 (arXiv 2202.03026), section 5: 'CAE', with DALL-E's tokens 'CAE*'.
Expected: not known: no source read here has the scores of a d-VAE that saw ImageNet-1K alone.
Cost: not published, and the tokenizer; not run here.

    tools/dist_train.sh configs/pretrain/cae/cae_vit-base-p16_dvae_8xb256-amp-coslr-800e_in1k.py 8
"""

_base_ = './cae_vit-base-p16_dvae_8xb256-amp-coslr-300e_in1k.py'

max_epochs = 800
warm_up_epochs = 20

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = warm_up_epochs
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
