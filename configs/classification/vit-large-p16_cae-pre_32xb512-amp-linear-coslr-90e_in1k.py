"""Linear probe of CAE's ViT-L/16 on ImageNet-1K, 90 epochs: a frozen encoder, its class token.

Source: Chen et al. 2022 (arXiv 2202.03026), sec. 5.2; Atten4Vis/CAE, tools/run_linear.py and
scripts/cae_base_800e.sh. The protocol is MAE's; positions stay the fixed ones.
Expected: 77.8 % top-1 from 1600 epochs of CAE (README of the code).
Cost: not published; 32 GPUs.

    bash tools/dist_train.sh \
        configs/classification/vit-large-p16_cae-pre_32xb512-amp-linear-coslr-90e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-base-p16_cae-pre_32xb512-amp-linear-coslr-90e_in1k.py'

model = dict(
    backbone=dict(
        arch='large',
        layer_scale_init=1e-5,
        init_cfg=dict(checkpoint='checkpoints/cae_large_1600ep.pth'),
    ),
    neck=dict(input_features=1024),
    head=dict(in_channels=1024),
)
