"""Fine-tuning of CAE's ViT-B/16 on Food-101, 100 epochs.

Source: Chen et al. 2022 (arXiv 2202.03026), Table 4, for the data set; no recipe is stated: it is
that of ImageNet-1K with a batch of 1024.
Expected: no number is at hand. The paper ranks CAE above DeiT, DINO and MAE.
Cost: not published.

    tools/dist_train.sh \
        configs/classification/vit-base-p16_cae-pre_8xb128-amp-coslr-100e_food101.py 8 \
        --pretrained WORK_DIR_OR_FILE

Another folder with one folder a class: --cfg-options data.root=FOLDER data.train_img=train
data.val_img=val
"""

_base_ = './vit-base-p16_cae-pre_32xb128-amp-coslr-100e_in1k.py'

folder = dict(type='CustomDataset', data_root='data/food-101')

model = dict(data_preprocessor=dict(num_classes=101), head=dict(num_classes=101))
train_dataloader = dict(
    dataset=dict(_delete_=True, **folder, data_prefix='train', pipeline=_base_.train_pipeline)
)
val_dataloader = dict(
    dataset=dict(_delete_=True, **folder, data_prefix='val', pipeline=_base_.test_pipeline)
)
test_dataloader = dict(
    dataset=dict(_delete_=True, **folder, data_prefix='val', pipeline=_base_.test_pipeline)
)
optim_wrapper = dict(optimizer=dict(lr=8e-3 * 1024 / 4096))
auto_scale_lr = dict(base_batch_size=1024)
param_scheduler = _base_.param_scheduler
param_scheduler[1].eta_min_ratio = 1e-6 / 2e-3
