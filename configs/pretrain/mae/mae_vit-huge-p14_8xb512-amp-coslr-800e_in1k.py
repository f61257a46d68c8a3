"""MAE, ViT-H/14, 800 epochs on ImageNet-1K: the length of the paper's ablations.

Source: He et al. 2021 (arXiv 2111.06377), section 4 and Table 8; facebookresearch/mae, PRETRAIN.md.
Expected: 85.8 % top-1 after fine-tuning (Table 2, whose targets are plain pixels).
Cost: 34.5 h on 128 TPU-v3 (Table 2).

    bash tools/dist_train.sh configs/pretrain/mae/mae_vit-huge-p14_8xb512-amp-coslr-800e_in1k.py 8

512 images per GPU = 64 x 8 accumulated. On 64 GPUs, as in the paper's code:
--cfg-options train_dataloader.batch_size=64 optim_wrapper.accumulative_counts=1
"""

_base_ = [
    '../../_base_/models/mae_vit-huge-p14.py',
    '../../_base_/datasets/imagenet_mae.py',
    '../../_base_/schedules/mae_800e.py',
    '../../_base_/pretrain_runtime.py',
]

train_dataloader = dict(batch_size=64)
optim_wrapper = dict(accumulative_counts=8)  # x 8 GPUs x 64 = 4096
