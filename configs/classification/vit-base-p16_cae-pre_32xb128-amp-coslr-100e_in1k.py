"""CAE's fine-tuning of ViT-B/16 on ImageNet-1K, 100 epochs.

Source: Chen et al. 2022 (arXiv 2202.03026), sec. 5.2; Atten4Vis/CAE, scripts/cae_base_finetune.sh.
RandAugment, as in the paper: the code's main() sets it, whatever --aa says. The parser's defaults
alone (color jitter .4, no RandAugment) are the config with `jitter` in its name.
Expected: 83.6 / 83.8 / 83.9 % top-1 from 300 / 800 / 1600 epochs of CAE (README of the code).
Cost: not published; 32 GPUs.

    bash tools/dist_train.sh \
        configs/classification/vit-base-p16_cae-pre_32xb128-amp-coslr-100e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = [
    '../_base_/models/classifier_cae-vit-base-p16.py',
    '../_base_/datasets/imagenet_finetune.py',
    '../_base_/schedules/cae-finetune_100e.py',
    '../_base_/classify_runtime.py',
]

model = dict(
    backbone=dict(
        drop_path_rate=0.1,
        init_cfg=dict(
            type='PretrainedViT', checkpoint='checkpoints/cae_base_1600ep.pth', fc_norm='norm'
        ),
    )
)
