"""CAE, ViT-B/16, 1600 epochs, with the tokens of our own discrete VAE.

Source: Chen et al. 2022 (arXiv 2202.03026), section 5: 'CAE', with DALL-E's tokens 'CAE*'.
Expected: no published score: no source read here has the scores of a d-VAE that saw ImageNet-1K
alone.
Cost: not published, and the tokenizer; not run here.

    bash tools/dist_train.sh \
        configs/pretrain/cae/cae_vit-base-p16_dvae_8xb256-amp-coslr-1600e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/cae-dvae_vit-base-p16.py',
    '../../_base_/datasets/imagenet_cae.py',
    '../../_base_/schedules/cae_1600e.py',
    '../../_base_/pretrain_runtime.py',
]
