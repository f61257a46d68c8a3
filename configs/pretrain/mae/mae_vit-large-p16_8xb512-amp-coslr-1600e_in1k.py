"""MAE, ViT-L/16, 1600 epochs on ImageNet-1K: the released model, used by the transfer recipes.

Source: He et al. 2021 (arXiv 2111.06377), Table 3; facebookresearch/mae, PRETRAIN.md.
Expected: 85.9 % top-1 after fine-tuning (Table 3; MMPretrain's run: 85.7), 75.8 % with a linear
probe (Table 12; MAE's PyTorch code: 76.0, MMPretrain's run: 75.5).
Cost: twice that of 800 epochs, which took 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh configs/pretrain/mae/mae_vit-large-p16_8xb512-amp-coslr-1600e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/mae_vit-large-p16.py',
    '../../_base_/datasets/imagenet_mae.py',
    '../../_base_/schedules/mae_1600e.py',
    '../../_base_/pretrain_runtime.py',
]

train_dataloader = dict(batch_size=128)
optim_wrapper = dict(accumulative_counts=4)  # x 8 GPUs x 128 = 4096
