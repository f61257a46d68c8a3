"""CAE's fine-tuning of ViT-S/16 on ImageNet-1K, 200 epochs.

Source: Chen et al. 2022 (arXiv 2202.03026), sec. 5.2; no script is released. CAE's ViT-S has 12
heads, not 6. Not stated: drop path (here ViT-B's), mixup, cutmix (here BEiT's, as for ViT-B).
Expected: no published score in the sources read here; the paper's Table 1 has a ViT-S.
Cost: not published.

    bash tools/dist_train.sh \
        configs/classification/vit-small-p16_cae-pre_32xb128-amp-coslr-200e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/classifier_cae-vit-base-p16.py',
    '../_base_/datasets/imagenet_finetune.py',
    '../_base_/schedules/cae-finetune_200e.py',
    '../_base_/classify_runtime.py',
]

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=384, num_layers=12, num_heads=12),
        drop_path_rate=0.1,
        init_cfg=dict(type='PretrainedViT', checkpoint='checkpoints/cae_small.pth', fc_norm='norm'),
    ),
    head=dict(in_channels=384),
)
