"""Demo: a small discrete VAE on unlabeled scenes, the tokenizer of the demo's CAE.

The anneals of DALL-E's appendix A.2, shortened; a squared error in place of its likelihood.

Expected: no published score. Measured here on held-out scenes: squared error 821, all of 128 codes
used.

    python tools/train.py configs/demo/dvae_conv-demo-p4_1xb64-coslr-1000i_scenes-32x32.py

`make demo-cae` makes the data and runs this config first. Held-out scenes: tools/test.py with this
config and the checkpoint.
"""

_base_ = [
    '../_base_/models/dvae_conv-demo-p4.py',
    '../_base_/datasets/scenes_dvae.py',
    '../_base_/schedules/demo_dvae_1000i.py',
    '../_base_/pretrain_runtime.py',
]

model = _base_.tokenizer
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=_base_.max_iters // 4, max_keep_ckpts=1)
)
custom_hooks = [
    dict(type='LoadAccountHook'),
    dict(
        type='AnnealHook',
        name='temperature',
        start=1.0,
        end=1 / 16,
        length=_base_.max_iters * 3 // 4,
    ),
    dict(type='AnnealHook', name='kl_weight', start=0.0, end=0.5, length=_base_.max_iters // 4),
    dict(type='TokenizerReconstructionHook', num_images=8, interval=_base_.max_iters // 4),
]
