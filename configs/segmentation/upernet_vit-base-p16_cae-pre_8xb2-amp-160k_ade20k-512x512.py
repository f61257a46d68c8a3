"""UperNet on ViT-B/16 from 1600 epochs of CAE, 160,000 iterations on ADE20K.

Source: Chen et al. 2022 (arXiv 2202.03026), 5.2; https://github.com/Atten4Vis/CAE,
downstream_tasks/semantic_segmentation, upernet_cae_base.
Expected: 50.3 mIoU, single scale (README).
Cost: not published.

The paper chooses the learning rate among 1, 2, 3 and 4e-4, for each length of pre-training anew.

    bash tools/dist_train.sh \
        configs/segmentation/upernet_vit-base-p16_cae-pre_8xb2-amp-160k_ade20k-512x512.py 8 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/upernet_cae-base-p16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/segment_runtime.py',
]

model = dict(
    backbone=dict(
        drop_path_rate=0.1,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/cae_base_1600ep.pth'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=1e-4), paramwise_cfg=dict(layer_decay_rate=0.65))
