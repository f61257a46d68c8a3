"""CAE, ViT-B/16, 1600 epochs on ImageNet-1K with DALL-E's tokens: used by the transfer recipes.

Source: Chen et al. 2022 (arXiv 2202.03026), section 5; Atten4Vis/CAE, README.md.
Expected: 83.9 % top-1 after fine-tuning, 70.3 % with a linear and 77.2 % with an attentive probe;
50.3 mIoU on ADE20K, 50.3 box and 44.2 mask AP on COCO (README.md of the code).
Cost: not published; the scripts ask for 32 GPUs with 64 images each.

    bash tools/dist_train.sh configs/pretrain/cae/cae_vit-base-p16_8xb256-amp-coslr-1600e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/cae_vit-base-p16.py',
    '../../_base_/datasets/imagenet_cae.py',
    '../../_base_/schedules/cae_1600e.py',
    '../../_base_/pretrain_runtime.py',
]
