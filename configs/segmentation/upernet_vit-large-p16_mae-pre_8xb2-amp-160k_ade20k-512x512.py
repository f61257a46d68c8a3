"""UperNet on ViT-L/16 from MAE, 160,000 iterations on ADE20K, without relative position.

Source: as with relative position, which both publications have.
Expected: no published score without relative position. With it: 53.6 mIoU (Table 5 of arXiv
2111.06377).
Cost: not published.

    bash tools/dist_train.sh \
        configs/segmentation/upernet_vit-large-p16_mae-pre_8xb2-amp-160k_ade20k-512x512.py 8 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './upernet_vit-large-p16_mae-pre_rel-pos_8xb2-amp-160k_ade20k-512x512.py'

model = dict(backbone=dict(rel_pos=False))
