"""Linear probe of CAE's ViT-B/16 on ImageNet-1K, 90 epochs: a frozen encoder, its class token.

Source: Chen et al. 2022 (arXiv 2202.03026), sec. 5.2; Atten4Vis/CAE, tools/run_linear.py and
scripts/cae_base_800e.sh. The protocol is MAE's; positions stay the fixed ones.
Expected: 64.5 / 68.9 / 70.3 % top-1 from 300 / 800 / 1600 epochs of CAE (README of the code).
Cost: 2 h 20 min on 32 V100 GPUs for ViT-B (FINETUNE.md of MAE).

    bash tools/dist_train.sh \
        configs/classification/vit-base-p16_cae-pre_32xb512-amp-linear-coslr-90e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/classifier-linear_cae-vit-base-p16.py',
    '../_base_/datasets/imagenet_linear.py',
    '../_base_/schedules/linear_90e.py',
    '../_base_/classify_runtime.py',
]
