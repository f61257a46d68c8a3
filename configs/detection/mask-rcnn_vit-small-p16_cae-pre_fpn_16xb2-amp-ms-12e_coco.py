"""CAE: Mask R-CNN on ViT-S/16 from CAE, 12 epochs on COCO.

Source: Chen et al. 2022 (arXiv 2202.03026), 5.2 and Table 6. The learning rate for S is not
stated; it is that of B here.
Expected: no published score in the sources read here; the paper's Table 6 has a ViT-S.
Cost: not published.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-small-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py 16 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './mask-rcnn_vit-base-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py'

model = dict(
    backbone=dict(
        # CAE's small encoder has 12 heads, others have 6. A file fits both: the number of heads
        # shows in no shape.
        arch=dict(_delete_=True, embed_dims=384, num_layers=12, num_heads=12),
        drop_path_rate=0.1,
        init_cfg=dict(checkpoint='checkpoints/cae_small.pth'),
    ),
    neck=[
        dict(type='RescaledPyramid', embed_dims=384, norm_cfg=_base_.norm_cfg),
        dict(type='FPN', in_channels=[384] * 4, out_channels=256, num_outs=5),
    ],
)
