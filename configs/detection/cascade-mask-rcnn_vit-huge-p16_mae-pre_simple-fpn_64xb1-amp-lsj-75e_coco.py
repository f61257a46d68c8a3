"""ViTDet: Cascade Mask R-CNN on a plain ViT-H/16 from MAE, 75 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Tables 5 and 11; Detectron2, projects/ViTDet,
cascade_mask_rcnn_vitdet_h_75ep.
Expected: 58.7 box AP, 50.9 mask AP (paper); 58.7, 51.0 (Detectron2's README).
Cost: 1.137 s per iteration on 64 A100 GPUs with one image each (README), so about 44 h.

Each stage has a mask head of its own, as in MMDetection; Detectron2 has one for all.

Detectron2 starts from a file whose patches were resampled from 14 to 16 pixels beforehand. All
parameters are decayed, norms and positions included. Iterations, milestones and warm-up are 3/4 of
those of 100 epochs.

    bash tools/dist_train.sh \
        configs/detection/cascade-mask-rcnn_vit-huge-p16_mae-pre_simple-fpn_64xb1-amp-lsj-75e_coco.py \
        64 --pretrained WORK_DIR_OR_FILE
"""  # noqa: E501

_base_ = [
    './mask-rcnn_vit-huge-p16_mae-pre_simple-fpn_64xb1-amp-lsj-75e_coco.py',
    '../_base_/models/cascade_simple-fpn.py',
]

model = _base_.cascade
