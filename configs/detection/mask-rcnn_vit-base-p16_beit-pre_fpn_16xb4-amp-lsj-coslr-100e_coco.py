"""Benchmark of plain ViTs in Mask R-CNN: ViT-B/16 from BEiT, 100 epochs on COCO.

Source: Li et al. 2021 (arXiv 2111.11429), 2.1 to 2.4 and Table 1; BEiT keeps its layer scale, its
bias without a key part, and its table of relative positions instead of absolute ones.
Expected: 49.8 box AP, 44.4 mask AP (MAE, Table 4).
Cost: not published.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-base-p16_beit-pre_fpn_16xb4-amp-lsj-coslr-100e_coco.py 16 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './mask-rcnn_vit-base-p16_mae-pre_fpn_16xb4-amp-lsj-coslr-100e_coco.py'

model = dict(
    backbone=dict(
        pretrain_img_size=None,
        pos_embed=None,
        qkv_bias='no-key',
        layer_scale_init=0.1,
        init_cfg=dict(checkpoint='checkpoints/beit_base_patch16_224.pth'),
    )
)
