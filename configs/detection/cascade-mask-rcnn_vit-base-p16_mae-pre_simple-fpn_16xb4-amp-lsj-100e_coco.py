"""ViTDet: Cascade Mask R-CNN on a plain ViT-B/16 from MAE, 100 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Tables 5 and 11; Detectron2, projects/ViTDet,
cascade_mask_rcnn_vitdet_b_100ep.
Expected: 54.0 box AP, 46.7 mask AP (paper and Detectron2's README).
Cost: .362 s per iteration on 64 A100 GPUs with one image each (README), so about 19 h.

Each stage has a mask head of its own, as in MMDetection; Detectron2 has one for all.

    bash tools/dist_train.sh \
        configs/detection/cascade-mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py \
        16 --pretrained WORK_DIR_OR_FILE
"""  # noqa: E501

_base_ = [
    './mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py',
    '../_base_/models/cascade_simple-fpn.py',
]

model = _base_.cascade
