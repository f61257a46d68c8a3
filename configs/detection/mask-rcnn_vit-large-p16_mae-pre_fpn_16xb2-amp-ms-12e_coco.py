"""MAE in CAE's recipe: Mask R-CNN on ViT-L/16 from MAE, 12 epochs on COCO.

Source: README of https://github.com/Atten4Vis/CAE. The numbers of its MAE runs are not stated: they
are those of CAE, the encoder is MAE's.
Expected: 54.0 box AP, 47.1 mask AP (README).
Cost: not published.

    tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_mae-pre_fpn_16xb2-amp-ms-12e_coco.py \
        16 --pretrained WORK_DIR_OR_FILE
"""

_base_ = './mask-rcnn_vit-base-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py'

model = dict(
    backbone=dict(
        arch='large',
        pos_embed='sincos_xy',
        qkv_bias=True,
        layer_scale_init=None,
        out_indices=(7, 11, 15, 23),
        drop_path_rate=0.2,
        init_cfg=dict(checkpoint='checkpoints/mae_pretrain_vit_large.pth'),
    ),
    neck=[
        dict(type='RescaledPyramid', embed_dims=1024, norm_cfg=_base_.norm_cfg),
        dict(type='FPN', in_channels=[1024] * 4, out_channels=256, num_outs=5),
    ],
)
optim_wrapper = dict(optimizer=dict(lr=2e-4), paramwise_cfg=dict(layer_decay_rate=0.85))
