"""UperNet on ViT-B/16 from BEiT without labels, 160,000 iterations on ADE20K.

Source: Bao et al. 2021 (arXiv 2106.08254); https://github.com/microsoft/unilm, beit,
upernet_beit_base_12_512_slide_160k_ade20k_pt. BEiT has tables of relative positions and no
absolute ones.
Expected: 47.1 mIoU, single scale (MAE, arXiv 2111.06377, Table 5).
Cost: not published.

    bash tools/dist_train.sh \
        configs/segmentation/upernet_vit-base-p16_beit-pre_8xb2-amp-160k_ade20k-512x512.py 8 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './upernet_vit-base-p16_cae-pre_8xb2-amp-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        pos_embed=None,  # otherwise the encoder is CAE's
        init_cfg=dict(checkpoint='checkpoints/beit_base_patch16_224.pth'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=7e-4))
