"""UperNet on ViT-B/16 from BEiT without labels, 160,000 iterations on ADE20K.

Source: Bao et al. 2021 (arXiv 2106.08254); https://github.com/microsoft/unilm, beit,
upernet_beit_base_12_512_slide_160k_ade20k_pt. BEiT has tables of relative positions and no
absolute ones.
Expected: 47.1 mIoU, single scale (MAE, arXiv 2111.06377, Table 5).
Cost: not published.

    tools/dist_train.sh \
        configs/segmentation/upernet_vit-base-p16_beit-pre_8xb2-amp-160k_ade20k-512x512.py 8 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/upernet_vit-base-p16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/mmseg_runtime.py',
]

model = dict(
    backbone=dict(
        pos_embed=None,
        qkv_bias='no-key',
        layer_scale_init=0.1,
        rel_pos='table',
        drop_path_rate=0.1,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/beit_base_patch16_224.pth'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=7e-4), paramwise_cfg=dict(layer_decay_rate=0.65))
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=16000, save_best='mIoU'),
)
