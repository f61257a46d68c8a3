"""CAE with a ViT-B/16 encoder and the tokens of our own discrete VAE."""

_base_ = ['./cae_vit-base-p16.py', './dvae_conv-base-p8.py']

model = dict(
    target_generator=dict(
        tokenizer=_base_.tokenizer,
        checkpoint='work_dirs/dvae_conv-base-p8_8xb64-amp-ema-coslr-250k_in1k-112x112',
    )
)
