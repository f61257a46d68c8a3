"""MAE's fine-tuning of ViT-B/16 on ImageNet-1K, 100 epochs.

Source: He et al. 2021 (arXiv 2111.06377), Table 3; settings of facebookresearch/mae, FINETUNE.md,
which differ from the paper's Table 9 (lr 1e-3, layer decay .75: those fit un-normalized pixels).
Expected: 83.6 % top-1 from 1600 epochs of MAE (FINETUNE.md: 83.63, 83.66, 83.52, 83.46).
Cost: 7 h 11 min on 32 V100 GPUs (FINETUNE.md).

    bash tools/dist_train.sh \
        configs/classification/vit-base-p16_mae-pre_8xb128-amp-coslr-100e_in1k.py 8 \
        --pretrained WORK_DIR_OR_FILE

Smaller GPUs, same batch: --cfg-options train_dataloader.batch_size=32
optim_wrapper.accumulative_counts=4
"""

_base_ = [
    '../_base_/models/classifier_vit-base-p16.py',
    '../_base_/datasets/imagenet_finetune.py',
    '../_base_/schedules/mae-finetune_100e.py',
    '../_base_/classify_runtime.py',
]

model = dict(
    backbone=dict(
        drop_path_rate=0.1,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_base.pth'),
    )
)
optim_wrapper = dict(
    optimizer=dict(lr=5e-4 * 1024 / 256), paramwise_cfg=dict(layer_decay_rate=0.65)
)
