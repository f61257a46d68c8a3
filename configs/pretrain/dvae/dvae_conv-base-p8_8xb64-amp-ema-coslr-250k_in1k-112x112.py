"""Discrete VAE of 8192 codes on ImageNet-1K without labels: CAE's own tokenizer.

Source: Ramesh et al. 2021 (DALL-E, arXiv 2102.12092), section 2.1 and appendix A.2 and A.3, for
likelihood, temperature, divergence, optimizer, averaging and batch; BEiT's and CAE's code for the
sizes (8192 codes, 512 wide, 256 hidden, 3 layers of stride 2); Chen et al. 2022 (CAE,
arXiv 2202.03026), for training it on ImageNet-1K.
Expected: no published score for this length; DALL-E trained for 3,000,000 steps on its own
pictures.
Cost: unknown; not run here.

    bash tools/dist_train.sh \
        configs/pretrain/dvae/dvae_conv-base-p8_8xb64-amp-ema-coslr-250k_in1k-112x112.py 8

Our choices: the length of 100 epochs, over which the step size is annealed (DALL-E: 1,200,000
steps), and CAE's crops at half the encoder's size, as the tokenizer will see them.
Tokens come from the averaged weights, which the checkpoint contains as the model's.
"""

_base_ = [
    '../../_base_/models/dvae_conv-base-p8.py',
    '../../_base_/datasets/imagenet_dvae.py',
    '../../_base_/schedules/dvae_250k.py',
    '../../_base_/pretrain_runtime.py',
]

model = _base_.tokenizer
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=10_000))
custom_hooks = [
    dict(type='LoadAccountHook'),
    dict(type='AnnealHook', name='temperature', start=1.0, end=1 / 16, length=150_000),
    dict(type='AnnealHook', name='kl_weight', start=0.0, end=6.6, length=5000),
    dict(type='EMAHook', momentum=1e-3),  # share of the new weights: 1 - .999
    dict(type='TokenizerReconstructionHook', num_images=8, interval=10_000),
]
