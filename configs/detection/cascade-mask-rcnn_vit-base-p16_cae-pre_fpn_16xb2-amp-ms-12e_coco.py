"""CAE: Cascade Mask R-CNN on ViT-B/16 from CAE, 12 epochs on COCO.

Source: Chen et al. 2022 (arXiv 2202.03026), 5.2 and Table 6.
Expected: 52.5 box AP (PaddleDetection, 1x; box heads alone).
Cost: not published.

No config of CAE's cascade is released: schedule and encoder are those of its Mask R-CNN, the heads
those of iBOT's cascade, from which CAE's code comes.

    bash tools/dist_train.sh \
        configs/detection/cascade-mask-rcnn_vit-base-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py 16 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    './mask-rcnn_vit-base-p16_cae-pre_fpn_16xb2-amp-ms-12e_coco.py',
    '../_base_/models/cascade_cae-fpn.py',
]

model = _base_.cascade
