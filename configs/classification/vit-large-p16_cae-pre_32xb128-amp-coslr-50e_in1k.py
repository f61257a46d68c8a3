"""CAE's fine-tuning of ViT-L/16 on ImageNet-1K, 50 epochs.

Source: Chen et al. 2022 (arXiv 2202.03026), sec. 5.2; Atten4Vis/CAE, scripts/cae_large_finetune.sh.
Expected: 86.2 % top-1 from 1600 epochs of CAE (README of the code; paper: 86.3).
Cost: not published; 32 GPUs, two passes of 64 images for a step.

    bash tools/dist_train.sh \
        configs/classification/vit-large-p16_cae-pre_32xb128-amp-coslr-50e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/classifier_cae-vit-base-p16.py',
    '../_base_/datasets/imagenet_finetune.py',
    '../_base_/schedules/cae-finetune_50e.py',
    '../_base_/classify_runtime.py',
]

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.2,
        layer_scale_init=1e-5,
        init_cfg=dict(
            type='PretrainedViT', checkpoint='checkpoints/cae_large_1600ep.pth', fc_norm='norm'
        ),
    ),
    head=dict(in_channels=1024),
)
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(accumulative_counts=2)  # x 32 GPUs x 64 = 4096
