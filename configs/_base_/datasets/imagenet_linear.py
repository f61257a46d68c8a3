"""ImageNet-1K with the weak augmentation of MAE's and CAE's linear probe: a crop and a flip.

Your own pictures, one folder per class:
--cfg-options data.root=FOLDER data.train_img=train data.val_img=val
"""

_base_ = './imagenet_finetune.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomClippedCrop',  # TensorFlow's: drawn once, cut to the image
        scale=224,
        crop_ratio_range=(0.08, 1.0),  # of the area
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=512, dataset=dict(pipeline=train_pipeline))
