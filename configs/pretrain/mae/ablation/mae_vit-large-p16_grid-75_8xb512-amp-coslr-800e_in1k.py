"""MAE ablation, ViT-L/16: three of every four patches are hidden in a grid.

Source: He et al. 2021 (arXiv 2111.06377), section 4.1 and table 1f.
Expected: 84.0 % top-1 after fine-tuning, 66.0 % with a linear probe (Table 1f).
Cost: as for the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_grid-75_8xb512-amp-coslr-800e_in1k.py 8
"""

_base_ = './mae_vit-large-p16_pixel_8xb512-amp-coslr-800e_in1k.py'

model = dict(masking=dict(type='GridMasking'))
