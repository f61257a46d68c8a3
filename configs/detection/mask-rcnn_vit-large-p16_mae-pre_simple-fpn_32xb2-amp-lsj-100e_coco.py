"""ViTDet: Mask R-CNN on a plain ViT-L/16 from MAE, 100 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Tables 5 and 11; Detectron2, projects/ViTDet,
mask_rcnn_vitdet_l_100ep.
Expected: 55.6 box AP, 49.2 mask AP (paper); 55.5, 49.2 (Detectron2's README).
Cost: .603 s per iteration on 64 A100 GPUs with one image each (README), so about 31 h.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_mae-pre_simple-fpn_32xb2-amp-lsj-100e_coco.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_simple-fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/vitdet_100e.py',
    '../_base_/detect_iters_runtime.py',
]

model = dict(
    backbone=dict(
        arch='large',
        global_blocks=(5, 11, 17, 23),
        drop_path_rate=0.4,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_large.pth'),
    ),
    neck=dict(in_channels=1024),
)
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(optimizer=dict(lr=1e-4), paramwise_cfg=dict(layer_decay_rate=0.8))
