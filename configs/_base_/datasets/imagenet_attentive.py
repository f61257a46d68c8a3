"""ImageNet-1K with the weak augmentation of CAE's attentive probe: a crop and a flip.

The crop is timm's, as in fine-tuning, not the one of linear probes.

Your own pictures, one folder per class:
--cfg-options data.root=FOLDER data.train_img=train data.val_img=val
"""

_base_ = './imagenet_finetune.py'

train_pipeline = [_base_.train_pipeline[i] for i in (0, 1, 2, -1)]  # load, crop, flip, pack
train_dataloader = dict(batch_size=256, dataset=dict(pipeline=train_pipeline))
