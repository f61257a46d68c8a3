"""MAE, ViT-H/14, 1600 epochs on ImageNet-1K: the released model, used by the transfer recipes.

Source: He et al. 2021 (arXiv 2111.06377), Table 3; facebookresearch/mae, PRETRAIN.md.
Expected: 86.9 % top-1 after fine-tuning, 87.8 at 448 pixels (Table 3; MMPretrain's runs:
86.9 and 87.3), 76.6 % with a linear probe (Table 12; MAE's PyTorch code: 77.2).
Cost: twice that of 800 epochs, which took 34.5 h on 128 TPU-v3 (Table 2).

    bash tools/dist_train.sh configs/pretrain/mae/mae_vit-huge-p14_8xb512-amp-coslr-1600e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/mae_vit-huge-p14.py',
    '../../_base_/datasets/imagenet_mae.py',
    '../../_base_/schedules/mae_1600e.py',
    '../../_base_/pretrain_runtime.py',
]

train_dataloader = dict(batch_size=64)
optim_wrapper = dict(accumulative_counts=8)  # x 8 GPUs x 64 = 4096
