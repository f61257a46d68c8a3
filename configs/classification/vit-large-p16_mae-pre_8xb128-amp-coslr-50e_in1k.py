"""MAE's fine-tuning of ViT-L/16 on ImageNet-1K, 50 epochs.

Source: He et al. 2021 (arXiv 2111.06377), Table 3; settings of facebookresearch/mae, FINETUNE.md,
which differ from the paper's Table 9 in the drop path (.1: that fits un-normalized pixels).
Expected: 85.9 % top-1 from 1600 epochs of MAE (FINETUNE.md: 85.95, 85.87, 85.76, 85.88).
Cost: 8 h 52 min on 32 V100 GPUs (FINETUNE.md).

    bash tools/dist_train.sh \
        configs/classification/vit-large-p16_mae-pre_8xb128-amp-coslr-50e_in1k.py 8 \
        --pretrained WORK_DIR_OR_FILE

Smaller GPUs, same batch: --cfg-options train_dataloader.batch_size=32
optim_wrapper.accumulative_counts=4
"""

_base_ = [
    '../_base_/models/classifier_vit-large-p16.py',
    '../_base_/datasets/imagenet_finetune.py',
    '../_base_/schedules/mae-finetune_50e.py',
    '../_base_/classify_runtime.py',
]

model = dict(
    backbone=dict(
        drop_path_rate=0.2,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_large.pth'),
    )
)
