"""MAE, ViT-L/16, 800 epochs on ImageNet-1K: the length and the encoder of the paper's ablations.

Source: He et al. 2021 (arXiv 2111.06377), section 4 and Table 8; facebookresearch/mae, PRETRAIN.md.
Expected: 85.4 % top-1 after fine-tuning and 73.9 % with a linear probe (Table 1d; MAE's PyTorch
code: 85.5, MMPretrain's run: 85.4 and 73.7).
Cost: about 42 h on 64 V100 GPUs (PRETRAIN.md); 15.4 h on 128 TPU-v3 (Table 2).

    bash tools/dist_train.sh configs/pretrain/mae/mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py 8

512 images per GPU = 128 x 4 accumulated. On 64 GPUs, as in the paper's code:
--cfg-options train_dataloader.batch_size=64 optim_wrapper.accumulative_counts=1
"""

_base_ = [
    '../../_base_/models/mae_vit-large-p16.py',
    '../../_base_/datasets/imagenet_mae.py',
    '../../_base_/schedules/mae_800e.py',
    '../../_base_/pretrain_runtime.py',
]

train_dataloader = dict(batch_size=128)
optim_wrapper = dict(accumulative_counts=4)  # x 8 GPUs x 128 = 4096
