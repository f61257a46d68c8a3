"""Demo: CAE with a small ViT on unlabeled scenes, on one core.

As in CAE, each crop is used at two sizes: 64 pixels for the encoder, which sees half of its 64
patches, and 32 for the tokenizer, which gives a token per patch. Both are normalized in the same
way, and the target renormalizes for the tokenizer, so that reconstructions need only the encoder's
view.

Expected: no published score. Measured here, with the demo's two tasks and when all warm-ups were
one iteration shorter: 6.1 box AP, 3.4 mask AP, 75.7 mIoU.

    python tools/train.py configs/demo/cae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py

`make demo-cae` trains the tokenizer first and names its work dir in
model.target_generator.checkpoint.
"""

_base_ = [
    '../_base_/models/cae_vit-demo-p8.py',
    '../_base_/datasets/scenes_cae.py',
    '../_base_/schedules/demo_pretrain_2000i.py',
    '../_base_/demo_pretrain_runtime.py',
]

optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.999)), clip_grad=dict(max_norm=3.0))
