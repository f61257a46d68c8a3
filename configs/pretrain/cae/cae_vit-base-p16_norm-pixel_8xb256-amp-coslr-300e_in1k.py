"""CAE, ViT-B/16, 300 epochs: normalized pixels of each patch as target, no tokenizer.

Source: as for the pixel variant; the normalized target is MAE's (He et al. 2021, section 3).
Expected: no published score: MAE's target is not in CAE's paper.
Cost: not published; not run here.

    bash tools/dist_train.sh \
        configs/pretrain/cae/cae_vit-base-p16_norm-pixel_8xb256-amp-coslr-300e_in1k.py 8
"""

_base_ = './cae_vit-base-p16_pixel_8xb256-amp-coslr-300e_in1k.py'

model = dict(target_generator=dict(norm_pix=True))
