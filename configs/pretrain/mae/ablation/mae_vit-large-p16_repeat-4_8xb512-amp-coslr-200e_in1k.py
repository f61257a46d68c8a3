"""MAE ablation, ViT-L/16: four crops, each with its own mask, of every decoded picture.

Source: Hoffer et al. 2019 (arXiv 1901.09335); with masks, Feichtenhofer et al. 2022 (arXiv
2205.09113, for video). Not in MAE's tables.
Expected: no published score for pictures.
Cost: as for 800 epochs without repeats, 42 h on 64 V100 GPUs, with a quarter of the decoding.

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_repeat-4_8xb512-amp-coslr-200e_in1k.py 8

An epoch is one pass over the files with four samples of each picture: 200 epochs have as many
samples and steps as 800 without repeats. train_dataloader.batch_size counts pictures:
8 GPUs x 32 pictures x 4 crops x 4 accumulated = 4096 samples in a step.
"""

_base_ = './mae_vit-large-p16_pixel_8xb512-amp-coslr-800e_in1k.py'

repeats = 4
max_epochs, warm_up_epochs = 800 // repeats, 40 // repeats  # passes over the files

train_pipeline = [
    _base_.train_pipeline[0],  # load
    dict(
        type='MultiView',
        num_views=repeats,
        transforms=[_base_.train_pipeline[1:3]],  # crop and flip
    ),
    _base_.train_pipeline[3],  # pack
]
train_dataloader = dict(batch_size=128 // repeats, dataset=dict(pipeline=train_pipeline))
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = warm_up_epochs
param_scheduler[1].end = max_epochs
train_cfg = dict(max_epochs=max_epochs)
default_hooks = dict(checkpoint=dict(interval=20 // repeats))
