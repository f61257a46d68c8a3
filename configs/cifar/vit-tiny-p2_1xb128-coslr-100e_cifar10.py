"""ViT-T/2 on CIFAR-10 from random weights, 100 epochs: the baseline for pre-training.

Source: IcarusWizard/MAE, train_classifier.py without a pre-trained model.
Expected: 74.13 % top-1 (its README; the best epoch on the test part).
Cost: not published.

    python tools/train.py configs/cifar/vit-tiny-p2_1xb128-coslr-100e_cifar10.py
"""

_base_ = [
    '../_base_/models/cifar_classifier_vit-tiny-p2.py',
    '../_base_/datasets/cifar_classify.py',
    '../_base_/schedules/cifar_classify_100e.py',
    '../_base_/classify_runtime.py',
]

default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=42)
