"""Mask R-CNN on four block outputs of a plain ViT-B/16 (Li et al. 2021, arXiv 2111.11429, sec. 2).

The detector of MAE's Table 4. The last block of each quarter is global, the others use windows; one
table of relative positions is shared by all global blocks and one by all windows, both from zero.
Anchors are assigned and weights initialized as in Detectron2 and MIMDet.
"""

_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

norm_cfg = dict(type='SyncBN', requires_grad=True)

model = dict(
    # Images are normalized, then padded with zeros, right and below, to a square of 1024 pixels.
    data_preprocessor=dict(pad_value=0, pad_size_divisor=1024),
    backbone=dict(
        _delete_=True,
        type='PlainViT',
        arch='base',
        img_size=1024,
        patch_size=16,
        pretrain_img_size=224,  # positions are stored 14 x 14 and interpolated in each forward pass
        with_cls_token=False,
        pos_embed='learned',
        rel_pos='shared_table',
        window_size=14,
        global_blocks=(2, 5, 8, 11),
        out_indices=(2, 5, 8, 11),
        drop_path_rate=0.1,
        final_norm=False,
    ),
    neck=[
        dict(
            type='RescaledPyramid',
            embed_dims=768,
            norm_cfg=dict(type='GN', num_groups=32),
            # MIMDet's: lecun_normal_ of timm 0.4.12, sqrt(1 / inputs) / .8796
            init_cfg=dict(type='TruncNormal', layer='ConvTranspose2d', std=3072**-0.5 / 0.8796),
        ),
        dict(
            type='FPN',
            in_channels=[768] * 4,
            out_channels=256,
            num_outs=5,
            norm_cfg=norm_cfg,
            init_cfg=dict(type='Caffe2Xavier', layer='Conv2d'),
        ),
    ],
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            conv_out_channels=256,
            norm_cfg=norm_cfg,
            init_cfg=dict(
                type='Caffe2Xavier',
                layer='Linear',
                override=[
                    dict(type='Normal', name='fc_cls', std=0.01),
                    dict(type='Normal', name='fc_reg', std=0.001),
                ],
            ),
        ),
        mask_head=dict(type='SmallLogitsMaskHead', norm_cfg=norm_cfg),
    ),
    train_cfg=dict(
        rpn=dict(
            # Small and thin objects get anchors, too; with MMDetection's assigner they may not.
            assigner=dict(
                _delete_=True, type='BestAnchorAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3
            ),
        ),
        # A proposal is assigned only to the object that it overlaps most.
        rcnn=dict(assigner=dict(match_low_quality=False)),
    ),
)
