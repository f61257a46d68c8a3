"""ViTDet with layer norm in the RPN: Mask R-CNN on ViT-B/16 from MAE, 100 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), A.2: the RPN's hidden convolutions are followed by
layer norm. Detectron2's released configs have none there, and so have all other recipes here.
Expected: 51.6 box AP, 45.9 mask AP (Table 5; with or without this layer norm is unknown).
Cost: as without layer norm.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-base-p16_mae-pre_simple-fpn_rpn-ln_16xb4-amp-lsj-100e_coco.py \
        16 --pretrained WORK_DIR_OR_FILE
"""  # noqa: E501

_base_ = './mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py'

model = dict(rpn_head=dict(type='RPNHeadWithNorm', norm_cfg=_base_.norm_cfg))
