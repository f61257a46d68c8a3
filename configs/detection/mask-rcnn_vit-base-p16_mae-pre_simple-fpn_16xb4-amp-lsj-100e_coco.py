"""ViTDet: Mask R-CNN on a plain ViT-B/16 from MAE, 100 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Table 5 and A.2; Detectron2, projects/ViTDet,
mask_rcnn_vitdet_b_100ep.
Expected: 51.6 box AP, 45.9 mask AP (paper and Detectron2's README; standard deviation .1).
Cost: .314 s per iteration on 64 A100 GPUs with one image each (README), so about 16 h.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py 16 \
        --pretrained WORK_DIR_OR_FILE

Another batch: --auto-scale-lr scales the learning rate, and --epochs 100 the schedule, which counts
iterations.
"""

_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_simple-fpn.py',
    '../_base_/datasets/coco_lsj-1024.py',
    '../_base_/schedules/vitdet_100e.py',
    '../_base_/detect_iters_runtime.py',
]

model = dict(
    backbone=dict(
        drop_path_rate=0.1,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_base.pth'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=1e-4), paramwise_cfg=dict(layer_decay_rate=0.7))
