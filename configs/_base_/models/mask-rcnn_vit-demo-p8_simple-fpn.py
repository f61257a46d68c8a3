"""The demo's Mask R-CNN: ViTDet's pyramid, 32 channels, anchors of 8 to 128 pixels, ten digits."""

_base_ = ['mmdet::_base_/models/mask-rcnn_r50_fpn.py', './vit_demo.py']

channels = 32
norm_cfg = dict(type='ChannelLN', eps=1e-6)

model = dict(
    data_preprocessor=dict(pad_size_divisor=8),
    backbone={
        '_delete_': True,
        **_base_.encoder,
        'freeze_pos_embed': False,
        'drop_path_rate': 0.1,
        'final_norm': True,
    },
    neck=dict(
        _delete_=True,
        type='SimpleFPN',
        in_channels=128,
        out_channels=channels,
        num_outs=5,
        norm_cfg=norm_cfg,
    ),
    rpn_head=dict(
        in_channels=channels,
        feat_channels=channels,
        # Levels have strides of 2 to 32 pixels: anchors of 8 to 128 pixels.
        anchor_generator=dict(scales=[4], strides=[2, 4, 8, 16, 32]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(
            out_channels=channels, featmap_strides=[2, 4, 8, 16], finest_scale=14
        ),
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            in_channels=channels,
            conv_out_channels=channels,
            fc_out_channels=256,
            norm_cfg=norm_cfg,
            num_classes=10,
        ),
        mask_roi_extractor=dict(
            out_channels=channels, featmap_strides=[2, 4, 8, 16], finest_scale=14
        ),
        mask_head=dict(
            num_convs=2,
            in_channels=channels,
            conv_out_channels=channels,
            norm_cfg=norm_cfg,
            num_classes=10,
        ),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=300, max_per_img=200),
        rcnn=dict(sampler=dict(num=32)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=200)),
)
