"""Heads of Cascade Mask R-CNN on a plain ViT (ViTDet: Li et al. 2022, section 4; Detectron2's).

List this after a Mask R-CNN recipe in a config's bases: ``model = _base_.cascade``.

Three box heads, each trained on the boxes of the one before it. Detectron2 adds their
losses and passes a third of the gradient on to the maps; a third of each loss does the same to
the maps, and AdamW ignores the scale of a gradient in the heads.
"""

num_stages = 3

cascade = dict(
    type='CascadeRCNN',
    roi_head=dict(
        type='CascadeRoIHead',
        num_stages=num_stages,
        stage_loss_weights=[1 / num_stages] * num_stages,
        bbox_head=[
            dict(
                type='Shared4Conv1FCBBoxHead',
                in_channels=256,
                conv_out_channels=256,
                fc_out_channels=1024,
                roi_feat_size=7,
                num_classes=80,
                norm_cfg=dict(type='ChannelLN', eps=1e-6),
                bbox_coder=dict(
                    type='DeltaXYWHBBoxCoder',
                    target_means=[0.0] * 4,
                    target_stds=[1 / weight for weight in weights],
                ),
                reg_class_agnostic=True,
                loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='L1Loss', loss_weight=1.0),
                init_cfg=dict(
                    type='Caffe2Xavier',
                    layer='Linear',
                    override=[
                        dict(type='Normal', name='fc_cls', std=0.01),
                        dict(type='Normal', name='fc_reg', std=0.001),
                    ],
                ),
            )
            for weights in ((10, 10, 5, 5), (20, 20, 10, 10), (30, 30, 15, 15))
        ],
    ),
    train_cfg=dict(
        rcnn=[
            dict(
                assigner=dict(
                    type='MaxIoUAssigner',
                    pos_iou_thr=iou,
                    neg_iou_thr=iou,
                    min_pos_iou=iou,
                    match_low_quality=False,
                    ignore_iof_thr=-1,
                ),
                sampler=dict(
                    type='RandomSampler',
                    num=num,
                    pos_fraction=pos_fraction,
                    neg_pos_ub=-1,
                    add_gt_as_proposals=True,
                ),
                mask_size=28,
                pos_weight=-1,
                debug=False,
            )
            # Boxes are sampled once, for the first stage. The later stages train on all boxes of
            # the stage before: at most 512, and one for each object.
            for iou, num, pos_fraction in ((0.5, 512, 0.25), (0.6, 1024, 1.0), (0.7, 1024, 1.0))
        ],
    ),
)
