"""UperNet on ViT-L/16 from MAE, 160,000 iterations on ADE20K.

Source: He et al. 2021 (arXiv 2111.06377), Table 5 and A.4; settings of CAE's code
(https://github.com/Atten4Vis/CAE, upernet_mae_large): MAE's code has none.
Expected: 53.6 mIoU, single scale (Table 5).
Cost: not published.

    bash tools/dist_train.sh \
        configs/segmentation/upernet_vit-large-p16_mae-pre_rel-pos_8xb2-amp-160k_ade20k-512x512.py \
        8 --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/upernet_vit-large-p16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/segment_runtime.py',
]

model = dict(
    backbone=dict(
        pos_embed='sincos_xy',  # fixed; the one of base is trained
        rel_pos='table',
        layer_scale_init=1.0,  # trained; at the start it changes nothing
        drop_path_rate=0.2,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_large.pth'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=4e-4), paramwise_cfg=dict(layer_decay_rate=0.65))
