"""MAE's ViT-T/2 fine-tuned on CIFAR-10, 100 epochs.

Source: IcarusWizard/MAE, train_classifier.py. Articles about it say that the encoder is frozen and
that patches are averaged; the code trains every parameter and takes the class token, and so does
this recipe. `vit-tiny-p2_mae-pre_1xb128-linear-coslr-100e_cifar10.py` freezes the encoder.
Expected: 89.77 % top-1 after 2000 epochs of pre-training (its README; the best epoch on the test
part, after a pre-training whose loss left out one of 192 hidden patches).
Cost: not published.

    python tools/train.py configs/cifar/vit-tiny-p2_mae-pre_1xb128-coslr-100e_cifar10.py \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-tiny-p2_1xb128-coslr-100e_cifar10.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='PretrainedViT',
            checkpoint='work_dirs/mae_vit-tiny-p2_1xb4096-coslr-2000e_cifar10',
        )
    )
)
