"""MAE ablation, ViT-L/16: plain pixels as target, the default row of most tables.

Source: He et al. 2021 (arXiv 2111.06377), table 1, its default.
Expected: 84.9 % top-1 after fine-tuning, 73.5 % with a linear probe (Table 1).
Cost: as for the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_pixel_8xb512-amp-coslr-800e_in1k.py 8

Other rows of the tables, as options of this config:
  mask ratio (figure 5):     --cfg-options model.mask_ratio=0.5
  decoder depth (table 1a):  --cfg-options model.neck.num_layers=2
  decoder width (table 1b):  --cfg-options model.neck.embed_dims=768
"""

_base_ = [
    '../../../_base_/models/mae_vit-large-p16.py',
    '../../../_base_/datasets/imagenet_mae.py',
    '../../../_base_/schedules/mae_800e.py',
    '../../../_base_/pretrain_runtime.py',
]

model = dict(target_generator=dict(norm_pix=False))
train_dataloader = dict(batch_size=128)
optim_wrapper = dict(accumulative_counts=4)  # x 8 GPUs x 128 = 4096
