"""UperNet on ViT-B/16 from 300 epochs of CAE, 160,000 iterations on ADE20K.

Source: Chen et al. 2022 (arXiv 2202.03026), 5.2; https://github.com/Atten4Vis/CAE,
downstream_tasks/semantic_segmentation, upernet_cae_base.
Expected: 48.1 mIoU, single scale (README).
Cost: not published.

    bash tools/dist_train.sh \
        configs/segmentation/upernet_vit-base-p16_cae-300e-pre_8xb2-amp-160k_ade20k-512x512.py 8 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './upernet_vit-base-p16_cae-pre_8xb2-amp-160k_ade20k-512x512.py'

model = dict(backbone=dict(init_cfg=dict(checkpoint='checkpoints/cae_base_300ep.pth')))
optim_wrapper = dict(optimizer=dict(lr=3e-4))
