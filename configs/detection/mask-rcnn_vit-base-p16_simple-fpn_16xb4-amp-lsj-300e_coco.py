"""ViTDet: Mask R-CNN on a plain ViT-B/16 from random weights, 300 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Table 4 ("none (random init.)") and Table 11. No layer
decay.
Expected: 48.1 box AP, 42.6 mask AP (Table 4).
Cost: not published; three times the 100 epochs from MAE.

Table 4 is without relative position, and so is this; --cfg-options model.backbone.rel_pos=True
adds it (worth about 1 AP from MAE).

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-base-p16_simple-fpn_16xb4-amp-lsj-300e_coco.py 16
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_simple-fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/vitdet_300e.py',
    '../_base_/detect_iters_runtime.py',
]

model = dict(
    backbone=dict(
        rel_pos=False,
        drop_path_rate=0.1,
    )
)
