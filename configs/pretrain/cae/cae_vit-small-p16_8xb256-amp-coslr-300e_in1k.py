"""CAE, ViT-S/16, 300 epochs on ImageNet-1K with DALL-E's tokens.

Source: Atten4Vis/CAE, modeling_cae.py (encoder of 12 heads), with the settings of ViT-B's scripts.
Expected: no published score in the sources read here, though the paper has a ViT-S.
Cost: not published; not run here.

    bash tools/dist_train.sh configs/pretrain/cae/cae_vit-small-p16_8xb256-amp-coslr-300e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/cae_vit-small-p16.py',
    '../../_base_/datasets/imagenet_cae.py',
    '../../_base_/schedules/cae_300e.py',
    '../../_base_/pretrain_runtime.py',
]
