"""ViTDet: Cascade Mask R-CNN on a plain ViT-L/16 from MAE, 100 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Tables 5 and 11; Detectron2, projects/ViTDet,
cascade_mask_rcnn_vitdet_l_100ep.
Expected: 57.6 box AP, 49.8 mask AP (paper); 57.6, 50.0 (Detectron2's README).
Cost: .643 s per iteration on 64 A100 GPUs with one image each (README), so about 33 h.

Each stage has a mask head of its own, as in MMDetection; Detectron2 has one for all.

    bash tools/dist_train.sh \
        configs/detection/cascade-mask-rcnn_vit-large-p16_mae-pre_simple-fpn_32xb2-amp-lsj-100e_coco.py \
        32 --pretrained WORK_DIR_OR_FILE
"""  # noqa: E501

_base_ = [
    './mask-rcnn_vit-large-p16_mae-pre_simple-fpn_32xb2-amp-lsj-100e_coco.py',
    '../_base_/models/cascade_simple-fpn.py',
]

model = _base_.cascade
