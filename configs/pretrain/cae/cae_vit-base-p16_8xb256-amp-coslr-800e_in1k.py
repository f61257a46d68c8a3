"""CAE, ViT-B/16, 800 epochs on ImageNet-1K with DALL-E's tokens.

Source: Chen et al. 2022 (arXiv 2202.03026), section 5; Atten4Vis/CAE, scripts/cae_base_800e.sh.
Expected: 83.8 % top-1 after fine-tuning, 68.9 % with a linear and 75.9 % with an attentive probe;
49.7 mIoU on ADE20K, 49.9 box and 43.9 mask AP on COCO (README.md of the code).
Cost: not published; the scripts ask for 32 GPUs with 64 images each.

    bash tools/dist_train.sh configs/pretrain/cae/cae_vit-base-p16_8xb256-amp-coslr-800e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/cae_vit-base-p16.py',
    '../../_base_/datasets/imagenet_cae.py',
    '../../_base_/schedules/cae_800e.py',
    '../../_base_/pretrain_runtime.py',
]
