"""ViTDet: Mask R-CNN on a plain ViT-L/16 trained with labels, 50 epochs on COCO.

Source: Li et al. 2022 (arXiv 2203.16527), Table 4 ("IN-1K, supervised") and Table 11. No layer
decay, which does not help here (A.2).
Expected: 49.6 box AP, 43.8 mask AP (Table 4, from weights of the authors).
Cost: not published; half of the 100 epochs from MAE.

Table 4 is without relative position, and so is this; --cfg-options model.backbone.rel_pos=True
adds it (worth about 1 AP from MAE).

DeiT has no ViT-L: give weights of your own with --pretrained. DeiT III's need
--cfg-options model.backbone.layer_scale_init=1.0.

    bash tools/dist_train.sh \
        configs/detection/mask-rcnn_vit-large-p16_deit-pre_simple-fpn_32xb2-amp-lsj-50e_coco.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './mask-rcnn_vit-base-p16_deit-pre_simple-fpn_16xb4-amp-lsj-50e_coco.py'

model = dict(
    backbone=dict(
        arch='large',
        global_blocks=(5, 11, 17, 23),
        drop_path_rate=0.4,
        init_cfg=dict(checkpoint='checkpoints/deit_large_in1k.pth'),
    ),
    neck=dict(in_channels=1024),
)
train_dataloader = dict(batch_size=2)
