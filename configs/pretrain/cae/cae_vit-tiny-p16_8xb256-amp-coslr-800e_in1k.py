"""CAE, ViT-T/16, 800 epochs on ImageNet-1K with DALL-E's tokens.

Source: Atten4Vis/CAE, modeling_cae.py (encoder of 12 heads), with the settings of ViT-B's scripts.
Expected: no published score: the paper has no ViT-T.
Cost: not published; not run here.

    bash tools/dist_train.sh configs/pretrain/cae/cae_vit-tiny-p16_8xb256-amp-coslr-800e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/cae_vit-tiny-p16.py',
    '../../_base_/datasets/imagenet_cae.py',
    '../../_base_/schedules/cae_800e.py',
    '../../_base_/pretrain_runtime.py',
]
