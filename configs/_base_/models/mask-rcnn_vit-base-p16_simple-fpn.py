"""Mask R-CNN on a plain ViT-B/16 (ViTDet: Li et al. 2022, section 3 and A.2).

A short difference from MMDetection's Mask R-CNN, whose anchors, samplers, losses and thresholds are
already those of Detectron2: 256 and 512 samples per image, 1000 proposals, NMS .7 and .5, score
.05. Anchors are assigned and weights initialized as in Detectron2.
"""

_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

norm_cfg = dict(type='ChannelLN', eps=1e-6)

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
        rel_pos=True,
        window_size=14,
        global_blocks=(2, 5, 8, 11),
        final_norm=False,
    ),
    neck=dict(
        _delete_=True,
        type='SimpleFPN',
        in_channels=768,
        out_channels=256,
        num_outs=5,
        norm_cfg=norm_cfg,
    ),
    rpn_head=dict(num_convs=2),  # without norm, as released; the paper's text says layer norm
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
