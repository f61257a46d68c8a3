"""MAE, ViT-B/16, 1600 epochs on ImageNet-1K: the released model, used by the transfer recipes.

Source: He et al. 2021 (arXiv 2111.06377), Table 3; facebookresearch/mae, PRETRAIN.md.
Expected: 83.6 % top-1 after fine-tuning (Table 3; MMPretrain's run: 83.5), 68.0 % with a linear
probe (Table 12; MAE's PyTorch code: 67.8, MMPretrain's run: 67.1).
Cost: not published for ViT-B; ViT-L took about 42 h for 800 epochs on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh configs/pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-1600e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/mae_vit-base-p16.py',
    '../../_base_/datasets/imagenet_mae.py',
    '../../_base_/schedules/mae_1600e.py',
    '../../_base_/pretrain_runtime.py',
]
