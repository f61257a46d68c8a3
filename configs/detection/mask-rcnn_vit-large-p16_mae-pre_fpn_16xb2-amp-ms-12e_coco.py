"""MAE in CAE's recipe: Mask R-CNN on ViT-L/16 from MAE, 12 epochs on COCO.

Source: README of https://github.com/Atten4Vis/CAE. The settings of its MAE runs are not stated;
they are those of CAE here, with MAE's encoder.
Expected: 54.0 box AP, 47.1 mask AP (README).
Cost: not published.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_mae-pre_fpn_16xb2-amp-ms-12e_coco.py 16 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './mask-rcnn_vit-large-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py'

model = dict(
    backbone=dict(
        pos_embed='sincos_xy',
        qkv_bias=True,
        layer_scale_init=None,
        init_cfg=dict(checkpoint='checkpoints/mae_pretrain_vit_large.pth'),
    )
)
