"""Benchmark of plain ViTs in Mask R-CNN: ViT-L/16 from MAE, 100 epochs on COCO.

Source: Li et al. 2021 (arXiv 2111.11429), 2.1 to 2.4 and Table 1;
MAE (arXiv 2111.06377), Table 4.
Expected: 53.3 box AP, 47.2 mask AP (MAE, Table 4).
Cost: not published.

Supervised encoders use the same settings: --pretrained FILE. 49.3 box AP, 43.9 mask AP.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_mae-pre_fpn_32xb2-amp-lsj-coslr-100e_coco.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-large-p16_fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/lsj-cosine_100e.py',
    '../_base_/detect_iters_runtime.py',
]

model = dict(
    backbone=dict(
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_large.pth'),
    )
)
train_dataloader = dict(batch_size=2)
