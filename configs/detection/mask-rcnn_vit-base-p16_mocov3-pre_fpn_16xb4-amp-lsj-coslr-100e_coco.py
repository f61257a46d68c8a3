"""Benchmark of plain ViTs in Mask R-CNN: ViT-B/16 from MoCo v3, 100 epochs on COCO.

Source: Li et al. 2021 (arXiv 2111.11429), 2.1 to 2.4 and Table 1; its learning rate is twice
that of the others.
Expected: 47.9 box AP, 42.7 mask AP (MAE, Table 4).
Cost: not published.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-base-p16_mocov3-pre_fpn_16xb4-amp-lsj-coslr-100e_coco.py \
        16 --pretrained WORK_DIR_OR_FILE
"""

_base_ = './mask-rcnn_vit-base-p16_mae-pre_fpn_16xb4-amp-lsj-coslr-100e_coco.py'

model = dict(backbone=dict(init_cfg=dict(checkpoint='checkpoints/mocov3_vit-base-300ep.pth')))
optim_wrapper = dict(optimizer=dict(lr=1.6e-4))
