"""CAE, ViT-L/16, 300 epochs on ImageNet-1K with DALL-E's tokens.

Source: Chen et al. 2022 (arXiv 2202.03026); Atten4Vis/CAE, scripts/cae_large_1600e.sh.
Expected: no published score: the code's README has 1600 epochs.
Cost: not published; the script asks for 32 GPUs with 64 images each.

    bash tools/dist_train.sh configs/pretrain/cae/cae_vit-large-p16_8xb256-amp-coslr-300e_in1k.py 8

256 images per GPU = 128 x 2 accumulated. On 32 GPUs, as in the script:
--cfg-options train_dataloader.batch_size=64 optim_wrapper.accumulative_counts=1
"""

_base_ = [
    '../../_base_/models/cae_vit-large-p16.py',
    '../../_base_/datasets/imagenet_cae.py',
    '../../_base_/schedules/cae_300e.py',
    '../../_base_/pretrain_runtime.py',
]

train_dataloader = dict(batch_size=128)
optim_wrapper = dict(accumulative_counts=2)  # x 8 GPUs x 128 = 2048
