"""Benchmark of plain ViTs in Mask R-CNN: ViT-L/16 from BEiT, 100 epochs on COCO.

Source: Li et al. 2021 (arXiv 2111.11429), 2.1 to 2.4 and Table 1; BEiT keeps its layer scale, its
bias without a key part, and its table of relative positions instead of absolute ones.
Expected: 53.3 box AP, 47.1 mask AP (MAE, Table 4).
Cost: not published.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_beit-pre_fpn_32xb2-amp-lsj-coslr-100e_coco.py 32 \
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
        pretrain_img_size=None,
        pos_embed=None,
        qkv_bias='no-key',
        layer_scale_init=1e-05,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/beit_large_patch16_224.pth'),
    )
)
train_dataloader = dict(batch_size=2)
