"""UperNet on ViT-B/16 from MAE, 160,000 iterations on ADE20K, without relative position.

Source: He et al. 2021 (arXiv 2111.06377), Table 5 and A.4; settings of MMSegmentation's
mae-base_upernet_8xb2-amp-160k_ade20k-512x512. Both add BEiT's table of relative positions to every
block, which this recipe does not have. The learning rate decays from step 0, as in BEiT's code,
which the paper follows; in MMSegmentation's config it decays from the end of the warm-up.
Expected: no published score without relative position. With it: 48.1 mIoU, single scale (Table 5;
MMSegmentation: 48.13).
Cost: not published.

    bash tools/dist_train.sh \
        configs/segmentation/upernet_vit-base-p16_mae-pre_8xb2-amp-160k_ade20k-512x512.py 8 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/upernet_vit-base-p16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/segment_runtime.py',
]

model = dict(
    backbone=dict(
        drop_path_rate=0.1,
        layer_scale_init=1.0,  # trained; at the start it changes nothing
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_base.pth'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=1e-4), paramwise_cfg=dict(layer_decay_rate=0.65))
