"""CAE, ViT-B/16, 1600 epochs on ImageNet-1K with DALL-E's tokens: start of the transfer recipes.

Source: Chen et al. 2022 (arXiv 2202.03026), section 5; Atten4Vis/CAE, README.md.
Expected: 83.9 % top-1 after fine-tuning, 70.3 % of a linear and 77.2 % of an attentive probe; 50.3
mIoU on ADE20K, 50.3 box and 44.2 mask AP on COCO (README.md of the code).
Cost: not published; the scripts ask for 32 GPUs with 64 images each.

    tools/dist_train.sh configs/pretrain/cae/cae_vit-base-p16_8xb256-amp-coslr-1600e_in1k.py 8
"""

_base_ = './cae_vit-base-p16_8xb256-amp-coslr-300e_in1k.py'

max_epochs = 1600
warm_up_epochs = 40

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = warm_up_epochs
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
