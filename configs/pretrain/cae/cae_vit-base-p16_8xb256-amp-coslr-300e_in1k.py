"""CAE, ViT-B/16, 300 epochs on ImageNet-1K with DALL-E's tokens: the length of the ablations.

Source: Chen et al. 2022 (arXiv 2202.03026), section 5; Atten4Vis/CAE, scripts/cae_base_300e.sh.
Expected: 83.6 % top-1 after fine-tuning, 64.5 % with a linear and 74.0 % with an attentive probe;
48.1 mIoU on ADE20K, 48.3 box and 42.7 mask AP on COCO (README.md of the code; the paper's text:
64.1 and 73.8).
Cost: not published; the scripts ask for 32 GPUs with 64 images each.

    bash tools/dist_train.sh configs/pretrain/cae/cae_vit-base-p16_8xb256-amp-coslr-300e_in1k.py 8

The weights of DALL-E's encoder are read from model.target_generator.checkpoint; without them the
error says where to get them.
MMPretrain's recipe of this name differs: 75 hidden patches and no drop path (83.2 %).

Smaller GPUs, same batch: --cfg-options train_dataloader.batch_size=64
optim_wrapper.accumulative_counts=4
"""

_base_ = [
    '../../_base_/models/cae_vit-base-p16.py',
    '../../_base_/datasets/imagenet_cae.py',
    '../../_base_/schedules/cae_300e.py',
    '../../_base_/pretrain_runtime.py',
]
