"""Attentive probe of CAE's ViT-L/16 on ImageNet-1K, 90 epochs: a query over frozen tokens.

Source: Chen et al. 2022 (arXiv 2202.03026), sec. 5.2; Atten4Vis/CAE, tools/run_attentive.py and
scripts/cae_base_800e.sh. In the code the query also sees the class token, with Nesterov's
momentum; the paper speaks of patches and of momentum .9.
Expected: 81.2 % top-1 from 1600 epochs of CAE (README of the code).
Cost: not published; 32 GPUs.

    bash tools/dist_train.sh \
        configs/classification/vit-large-p16_cae-pre_32xb256-amp-attentive-coslr-90e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE

The paper's words: --cfg-options model.neck.0.skip_tokens=1 optim_wrapper.optimizer.nesterov=False
"""

_base_ = './vit-base-p16_mae-pre_32xb256-amp-attentive-coslr-90e_in1k.py'

model = dict(
    backbone=dict(
        arch='large',
        pos_embed='sincos_yx',
        qkv_bias='no-key',
        layer_scale_init=1e-5,
        init_cfg=dict(checkpoint='checkpoints/cae_large_1600ep.pth'),
    ),
    neck=[
        dict(type='AttentiveProbe', embed_dims=1024, num_heads=16),
        dict(type='ClsBatchNormNeck', input_features=1024, eps=1e-5),
    ],
    head=dict(in_channels=1024),
)
