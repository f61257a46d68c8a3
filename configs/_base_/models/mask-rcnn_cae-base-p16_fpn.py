"""Mask R-CNN on CAE's ViT-B/16 (Chen et al. 2022, arXiv 2202.03026): global blocks, any image size.

CAE's encoder has layer scale, no key bias, and fixed sine-cosine positions, the row in the
first half. They are interpolated from the checkpoint's 14 x 14 patches to those of each image; the
released code interpolates twice, to 42 x 68 patches when it loads and then to each image.
"""

_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

norm_cfg = dict(type='SyncBN', requires_grad=True)

model = dict(
    data_preprocessor=dict(pad_value=0),  # to multiples of 32 pixels
    backbone=dict(
        _delete_=True,
        type='PlainViT',
        arch='base',
        img_size=224,  # of the stored positions
        patch_size=16,
        pos_embed='sincos_yx',
        qkv_bias='no-key',
        layer_scale_init=0.1,
        out_indices=(3, 5, 7, 11),
        final_norm=False,
    ),
    neck=[
        dict(type='RescaledPyramid', embed_dims=768, norm_cfg=norm_cfg),
        dict(type='FPN', in_channels=[768] * 4, out_channels=256, num_outs=5),
    ],
    roi_head=dict(
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            conv_out_channels=256,
            norm_cfg=norm_cfg,
            reg_decoded_bbox=True,
            loss_bbox=dict(_delete_=True, type='GIoULoss', loss_weight=10.0),
        ),
    ),
    train_cfg=dict(rpn_proposal=dict(max_per_img=2000)),
)
