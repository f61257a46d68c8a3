"""A classifier on a thousand pictures of CIFAR-10 from random weights, 15 epochs.

Source: none; `vit-tiny-p2_1xb128-coslr-100e_cifar10.py` is its full-size model. The test part is
evaluated once, after the last epoch.
Expected: no published score; 33.0 % top-1 here, mean of two seeds (README.md of this folder).
Cost: see the README.

    python tools/train.py configs/cifar/vit-mini-p4_1xb64-coslr-15e_cifarmini.py \
        --cfg-options data.root=FOLDER
"""

_base_ = [
    '../_base_/models/cifar_classifier_vit-mini-p4.py',
    '../_base_/datasets/cifar-mini_classify.py',
    '../_base_/schedules/cifar-mini_classify_15e.py',
    '../_base_/mmpretrain_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=5e-4))
default_hooks = dict(checkpoint=dict(interval=15))
