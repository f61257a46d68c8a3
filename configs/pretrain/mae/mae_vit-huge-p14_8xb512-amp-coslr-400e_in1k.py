"""MAE, ViT-H/14, 400 epochs on ImageNet-1K: half the length of the paper's ablations.

Source: He et al. 2021 (arXiv 2111.06377), section 4 and Table 8; facebookresearch/mae, PRETRAIN.md.
Expected: no published score.
Cost: half that of 800 epochs, which took 34.5 h on 128 TPU-v3 (Table 2).

    bash tools/dist_train.sh configs/pretrain/mae/mae_vit-huge-p14_8xb512-amp-coslr-400e_in1k.py 8
"""

_base_ = [
    '../../_base_/models/mae_vit-huge-p14.py',
    '../../_base_/datasets/imagenet_mae.py',
    '../../_base_/schedules/mae_400e.py',
    '../../_base_/pretrain_runtime.py',
]

train_dataloader = dict(batch_size=64)
optim_wrapper = dict(accumulative_counts=8)  # x 8 GPUs x 64 = 4096
