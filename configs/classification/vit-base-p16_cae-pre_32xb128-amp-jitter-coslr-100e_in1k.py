"""CAE's fine-tuning of ViT-B/16 with color jitter .4 instead of RandAugment.

Source: the defaults of the argument parser of Atten4Vis/CAE, tools/run_class_finetuning.py, which
its main() overwrites with RandAugment (the recipe without `jitter` in its name). For comparison
with runs that used only the parser's defaults.
Expected: no published score.
Cost: not published; 32 GPUs.

    bash tools/dist_train.sh \
        configs/classification/vit-base-p16_cae-pre_32xb128-amp-jitter-coslr-100e_in1k.py 32 \
        --pretrained WORK_DIR_OR_FILE
"""

_base_ = './vit-base-p16_cae-pre_32xb128-amp-coslr-100e_in1k.py'

train_pipeline = _base_.train_pipeline
train_pipeline[3] = dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
