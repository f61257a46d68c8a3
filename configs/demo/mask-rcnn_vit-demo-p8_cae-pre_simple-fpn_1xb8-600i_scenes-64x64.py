"""Demo: CAE's encoder inside Mask R-CNN; otherwise as with MAE's encoder.

Without --pretrained it trains from random weights of that encoder.

Expected: no published score. Measured here, when the warm-up was one iteration shorter: 6.1
box AP, 3.4 mask AP.

    python tools/train.py \
        configs/demo/mask-rcnn_vit-demo-p8_cae-pre_simple-fpn_1xb8-600i_scenes-64x64.py \
        --pretrained work_dirs/demo/seed-0/pretrain-cae
"""

_base_ = './mask-rcnn_vit-demo-p8_mae-pre_simple-fpn_1xb8-600i_scenes-64x64.py'

model = dict(backbone=dict(pos_embed='sincos_yx', qkv_bias='no-key', layer_scale_init=0.1))
