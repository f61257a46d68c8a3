"""Attentive probe of MAE's ViT-B/16 on Clipart, 90 epochs.

Source: Chen et al. 2022 (arXiv 2202.03026), Table 4, for the data set; no recipe is stated: it is
that of ImageNet-1K with a batch of 1024. Which Clipart and Sketch the paper means is not known
here: the classes are DomainNet's.
Expected: no number is at hand. The paper ranks CAE above DeiT, DINO and MAE.
Cost: not published.

    tools/dist_train.sh \
        configs/classification/vit-base-p16_mae-pre_8xb128-amp-attentive-coslr-90e_clipart.py 8 \
        --pretrained WORK_DIR_OR_FILE

Another folder with one folder a class: --cfg-options data.root=FOLDER data.train_img=train
data.val_img=val
"""

_base_ = './vit-base-p16_mae-pre_32xb256-amp-attentive-coslr-90e_in1k.py'

folder = dict(type='CustomDataset', data_root='data/clipart')

model = dict(data_preprocessor=dict(num_classes=345), head=dict(num_classes=345))
train_dataloader = dict(
    batch_size=128,
    dataset=dict(_delete_=True, **folder, data_prefix='train', pipeline=_base_.train_pipeline),
)
val_dataloader = dict(
    dataset=dict(_delete_=True, **folder, data_prefix='val', pipeline=_base_.test_pipeline)
)
test_dataloader = dict(
    dataset=dict(_delete_=True, **folder, data_prefix='val', pipeline=_base_.test_pipeline)
)
optim_wrapper = dict(optimizer=dict(lr=0.4 * 1024 / 8192))
auto_scale_lr = dict(base_batch_size=1024)
