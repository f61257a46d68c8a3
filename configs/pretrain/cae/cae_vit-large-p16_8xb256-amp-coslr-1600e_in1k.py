"""CAE, ViT-L/16, 1600 epochs on ImageNet-1K with DALL-E's tokens.

Source: Chen et al. 2022 (arXiv 2202.03026); Atten4Vis/CAE, scripts/cae_large_1600e.sh.
Expected: 86.2 % top-1 after fine-tuning (the paper: 86.3), 77.8 % with a linear and 81.2 % with an
attentive probe; 54.9 mIoU on ADE20K, 54.5 box and 47.5 mask AP on COCO (README.md of the code).
Cost: not published; the script asks for 32 GPUs with 64 images each.

    bash tools/dist_train.sh configs/pretrain/cae/cae_vit-large-p16_8xb256-amp-coslr-1600e_in1k.py 8

As the script actually runs: regressor and decoder 768 wide after a projection. The settings that it
intends are in the config with decoder-1024 in its name; which of the two gave the released weights
is unknown.
"""

_base_ = [
    '../../_base_/models/cae_vit-large-p16.py',
    '../../_base_/datasets/imagenet_cae.py',
    '../../_base_/schedules/cae_1600e.py',
    '../../_base_/pretrain_runtime.py',
]

train_dataloader = dict(batch_size=128)
optim_wrapper = dict(accumulative_counts=2)  # x 8 GPUs x 128 = 2048
