"""ViTDet: Mask R-CNN on a plain ViT-H/16 from MAE, 75 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Tables 5 and 11; Detectron2, projects/ViTDet,
mask_rcnn_vitdet_h_75ep.
Expected: 56.7 box AP, 50.1 mask AP (paper); 56.7, 50.2 (Detectron2's README).
Cost: 1.098 s per iteration on 64 A100 GPUs with one image each (README), so about 42 h.

Detectron2 starts from a file whose patches were resampled from 14 to 16 pixels beforehand. All
parameters are decayed, norms and positions included. Iterations, milestones and warm-up are 3/4 of
those of 100 epochs.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-huge-p16_mae-pre_simple-fpn_64xb1-amp-lsj-75e_coco.py 64 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_simple-fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/vitdet_75e.py',
    '../_base_/detect_iters_runtime.py',
]

model = dict(
    backbone=dict(
        arch='huge',
        global_blocks=(7, 15, 23, 31),
        drop_path_rate=0.5,
        init_cfg=dict(
            type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_huge_p14to16.pth'
        ),
    ),
    neck=dict(in_channels=1280),
)
train_dataloader = dict(batch_size=1)
optim_wrapper = dict(optimizer=dict(lr=1e-4), paramwise_cfg=dict(layer_decay_rate=0.9, no_decay=()))
