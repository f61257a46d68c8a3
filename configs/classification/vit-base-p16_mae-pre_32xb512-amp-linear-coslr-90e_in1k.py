"""Linear probe of MAE's ViT-B/16 on ImageNet-1K, 90 epochs: a frozen encoder, its class token.

Source: He et al. 2021 (arXiv 2111.06377), Table 10; facebookresearch/mae, main_linprobe.py and
FINETUNE.md.
Expected: 67.8 % top-1 from 1600 epochs of MAE (FINETUNE.md; paper: 68.0).
Cost: 2 h 20 min on 32 V100 GPUs for ViT-B (FINETUNE.md of MAE).

    bash tools/dist_train.sh \
        configs/classification/vit-base-p16_mae-pre_32xb512-amp-linear-coslr-90e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/classifier-linear_vit-base-p16.py',
    '../_base_/datasets/imagenet_linear.py',
    '../_base_/schedules/linear_90e.py',
    '../_base_/classify_runtime.py',
]
