"""ViTDet: Mask R-CNN on a plain ViT-H/16, with weights sharded over the GPUs.

Source: mask-rcnn_vit-huge-p16_mae-pre_simple-fpn_64xb1-amp-lsj-75e_coco,
in bfloat16.
Expected: no published score for sharded training; that recipe's is 56.7 box AP, 50.1 mask AP (Table
5).
Cost: not published.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-huge-p16_mae-pre_simple-fpn_64xb1-amp-fsdp-lsj-75e_coco.py \
        64 --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    './mask-rcnn_vit-huge-p16_mae-pre_simple-fpn_64xb1-amp-lsj-75e_coco.py',
    '../_base_/fsdp.py',
]

optim_wrapper = dict(dtype='bfloat16')
