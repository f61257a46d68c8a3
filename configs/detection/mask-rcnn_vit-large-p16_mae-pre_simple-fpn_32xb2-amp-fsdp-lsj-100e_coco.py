"""ViTDet: Mask R-CNN on a plain ViT-L/16, with weights sharded over the GPUs.

Source: mask-rcnn_vit-large-p16_mae-pre_simple-fpn_32xb2-amp-lsj-100e_coco,
in bfloat16.
Expected: no published score for sharded training; that recipe's is 55.6 box AP, 49.2 mask AP (Table
5).
Cost: not published.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_mae-pre_simple-fpn_32xb2-amp-fsdp-lsj-100e_coco.py \
        32 --pretrained WORK_DIR_OR_FILE
"""  # noqa: E501

_base_ = [
    './mask-rcnn_vit-large-p16_mae-pre_simple-fpn_32xb2-amp-lsj-100e_coco.py',
    '../_base_/fsdp.py',
]

optim_wrapper = dict(dtype='bfloat16')
