"""The small encoder of MAE fine-tuned on the same thousand pictures, 15 epochs.

Source: none; `vit-tiny-p2_mae-pre_1xb128-coslr-100e_cifar10.py` is its full-size model.
Expected: no published score; 41.2 % top-1 here, mean of two seeds (README.md of this folder).
Cost: see the README.

    python tools/train.py configs/cifar/vit-mini-p4_mae-pre_1xb64-coslr-15e_cifarmini.py \
        --pretrained work_dirs/mae_vit-mini-p4_1xb64-coslr-150e_cifarmini \
        --cfg-options data.root=FOLDER
"""

_base_ = './vit-mini-p4_1xb64-coslr-15e_cifarmini.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='PretrainedViT', checkpoint='work_dirs/mae_vit-mini-p4_1xb64-coslr-150e_cifarmini'
        )
    )
)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
