"""MAE ablation, ViT-L/16: blocks of patches are hidden, 50 %.

Source: He et al. 2021 (arXiv 2111.06377), section 4.1 and table 1f.
Expected: 83.9 % top-1 after fine-tuning, 72.3 % with a linear probe (Table 1f).
Cost: as for the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_block-50_8xb512-amp-coslr-800e_in1k.py 8

The blocks are BEiT's (at least 16 patches, aspect ratio .3 to 1 / .3), but every image hides
exactly this share: an encoder of visible patches needs the same number in each.
"""

_base_ = './mae_vit-large-p16_pixel_8xb512-amp-coslr-800e_in1k.py'

model = dict(masking=dict(type='BlockMasking'), mask_ratio=0.5)
