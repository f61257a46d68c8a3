"""Benchmark of plain ViTs in Mask R-CNN: ViT-B/16 from MAE, 50 epochs on COCO.

Source: Li et al. 2021 (arXiv 2111.11429), 2.1 to 2.4 and Table 1.
Expected: 50.2 box AP, 44.9 mask AP (MIMDet, a public reproduction with windows of 16).
Cost: not published.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-base-p16_mae-pre_fpn_16xb4-amp-lsj-coslr-50e_coco.py 16 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/mask-rcnn_mae-base-p16_fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/lsj-cosine_50e.py',
    '../_base_/detect_iters_runtime.py',
]
