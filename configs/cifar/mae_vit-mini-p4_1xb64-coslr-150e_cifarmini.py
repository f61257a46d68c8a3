"""MAE on a thousand pictures of CIFAR-10: the recipe made small enough for two cores.

Four blocks, 128 wide, patches of 4 pixels (16 of 64 visible), 150 epochs. Unlike the full recipe it
crops and flips, predicts normalized pixels and has MAE's narrower decoder: with so few pictures
this matters more than staying close to the recipe.

Source: none; `mae_vit-tiny-p2_1xb4096-coslr-2000e_cifar10.py` is its full-size model.
Expected: no published score; README.md of this folder has what fine-tuning gains here.
Cost: see the README.

    python tools/train.py configs/cifar/mae_vit-mini-p4_1xb64-coslr-150e_cifarmini.py \
        --cfg-options data.root=FOLDER
"""

_base_ = [
    '../_base_/models/cifar_mae_vit-mini-p4.py',
    '../_base_/datasets/cifar-mini_pretrain.py',
    '../_base_/schedules/cifar-mini_mae_150e.py',
    '../_base_/pretrain_runtime.py',
]

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ReconstructionHook', num_images=16, interval=15 * 16),  # fifteen epochs
]
default_hooks = dict(checkpoint=dict(interval=150))
