"""MAE's fine-tuning of ViT-H/14 on ImageNet-1K, 50 epochs.

Source: He et al. 2021 (arXiv 2111.06377), Table 3; settings of facebookresearch/mae, FINETUNE.md,
which differ from the paper's Table 9 in the drop path (.2: that fits un-normalized pixels).
Expected: 86.9 % top-1 from 1600 epochs of MAE (Table 3; FINETUNE.md: 86.93).
Cost: 13 h 9 min on 64 V100 GPUs (FINETUNE.md).

    bash tools/dist_train.sh \
        configs/classification/vit-huge-p14_mae-pre_8xb128-amp-coslr-50e_in1k.py 8 \
        --pretrained WORK_DIR_OR_FILE

Smaller GPUs, same batch: --cfg-options train_dataloader.batch_size=16
optim_wrapper.accumulative_counts=8 model.backbone.with_cp=True
"""

_base_ = [
    '../_base_/models/classifier_vit-huge-p14.py',
    '../_base_/datasets/imagenet_finetune.py',
    '../_base_/schedules/mae-finetune_50e.py',
    '../_base_/classify_runtime.py',
]

model = dict(
    backbone=dict(
        drop_path_rate=0.3,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_huge.pth'),
    )
)
