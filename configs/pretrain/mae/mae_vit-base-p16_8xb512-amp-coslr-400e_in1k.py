"""MAE, ViT-B/16, 400 epochs on ImageNet-1K: a quarter of the longest schedule.

Source: He et al. 2021 (arXiv 2111.06377), section 4 and Table 8; facebookresearch/mae, PRETRAIN.md.
Expected: 83.3 % top-1 after fine-tuning and 62.5 % with a linear probe (MMPretrain's, whose
positions have the other axis order). The paper states no ViT-B score for 400 epochs.
Cost: not published for ViT-B; ViT-L took about 42 h for 800 epochs on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh configs/pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-400e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/mae_vit-base-p16.py',
    '../../_base_/datasets/imagenet_mae.py',
    '../../_base_/schedules/mae_400e.py',
    '../../_base_/pretrain_runtime.py',
]
