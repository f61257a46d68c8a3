"""MAE, ViT-L/16, 400 epochs on ImageNet-1K: half the length of the paper's ablations.

Source: He et al. 2021 (arXiv 2111.06377), section 4 and Table 8; facebookresearch/mae, PRETRAIN.md.
Expected: 85.2 % top-1 after fine-tuning and 70.7 % with a linear probe (MMPretrain's, whose
positions have the other axis order).
Cost: half that of 800 epochs, which took 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh configs/pretrain/mae/mae_vit-large-p16_8xb512-amp-coslr-400e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/mae_vit-large-p16.py',
    '../../_base_/datasets/imagenet_mae.py',
    '../../_base_/schedules/mae_400e.py',
    '../../_base_/pretrain_runtime.py',
]

train_dataloader = dict(batch_size=128)
optim_wrapper = dict(accumulative_counts=4)  # x 8 GPUs x 128 = 4096
