"""MAE's fine-tuning of ViT-H/14 on ImageNet-1K at 448 x 448 pixels, 50 epochs.

Source: He et al. 2021 (arXiv 2111.06377), Table 3. Neither the paper nor its code states the recipe
at this size: it is that of 224 (as in MMPretrain). Pictures are tested with a short side of 448, as
the code does above 224; MMPretrain resizes it to 512, and both crop the center.
Expected: 87.8 % top-1 from 1600 epochs of MAE (Table 3; MMPretrain: 87.3).
Cost: not published.

    bash tools/dist_train.sh \
        configs/classification/vit-huge-p14_mae-pre_32xb32-amp-coslr-50e_in1k-448x448.py 32 \
        --pretrained WORK_DIR_OR_FILE

MMPretrain's test: --cfg-options test_dataloader.dataset.pipeline.1.scale=512
"""

_base_ = './vit-huge-p14_mae-pre_8xb128-amp-coslr-50e_in1k.py'

train_pipeline = _base_.train_pipeline
train_pipeline[1].scale = 448
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = 448
test_pipeline[2].crop_size = 448

model = dict(backbone=dict(img_size=448))
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=32, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
