"""MAE ablation, ViT-L/16: tokens of DALL-E's discrete VAE as target, by cross-entropy.

Source: He et al. 2021 (arXiv 2111.06377), section 4.1 and table 1d.
Expected: 85.3 % top-1 after fine-tuning, 71.6 % with a linear probe (Table 1d).
Cost: as for the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md), and the tokenizer.

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_dvae_8xb512-amp-coslr-800e_in1k.py 8

The weights of DALL-E's encoder are read from model.target_generator.checkpoint; without them the
error says where to get them. With a tokenizer of this toolkit instead:
--cfg-options model.target_generator.checkpoint=WORK_DIR, and its sizes as
model.target_generator.tokenizer (configs/_base_/models/dvae_conv-base-p8.py).
Our choice: the tokenizer sees the encoder's crop, reduced to half its size.
"""

_base_ = '../mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py'

model = dict(
    neck=dict(out_dims=8192),
    target_generator=dict(
        _delete_=True,
        type='TokenTarget',
        tokenizer=dict(type='DALL-E'),
        checkpoint='work_dirs/dalle_encoder.pth',
        image_mean=_base_.model.data_preprocessor.mean,
        image_std=_base_.model.data_preprocessor.std,
        view_size=112,  # pixels: codes of 8, patches of 16
    ),
    head=dict(type='TokenLoss'),
)
