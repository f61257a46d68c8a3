"""Attentive probe of CAE's ViT-B/16 on ImageNet-1K, 90 epochs: a query over frozen tokens.

Source: Chen et al. 2022 (arXiv 2202.03026), sec. 5.2; Atten4Vis/CAE, tools/run_attentive.py and
scripts/cae_base_800e.sh. In the code the query also sees the class token, with Nesterov's
momentum; the paper speaks of patches and of momentum .9.
Expected: 74.0 / 75.9 / 77.2 % top-1 from 300 / 800 / 1600 epochs of CAE (README of the code).
Cost: not published; 32 GPUs.

    bash tools/dist_train.sh \
        configs/classification/vit-base-p16_cae-pre_32xb256-amp-attentive-coslr-90e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE

The paper's words: --cfg-options model.neck.0.skip_tokens=1 optim_wrapper.optimizer.nesterov=False
"""

_base_ = './vit-base-p16_mae-pre_32xb256-amp-attentive-coslr-90e_in1k.py'

model = dict(
    backbone=dict(
        pos_embed='sincos_yx',
        qkv_bias='no-key',
        layer_scale_init=0.1,
        init_cfg=dict(checkpoint='checkpoints/cae_base_1600ep.pth'),
    ),
)
