"""MAE ablation, ViT-L/16: a narrower decoder.

Source: He et al. 2021 (arXiv 2111.06377), table 1b.
Expected: 84.8 % top-1 after fine-tuning, 71.3 % with a linear probe (Table 1b).
Cost: as for the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_decoder-8x256_8xb512-amp-coslr-800e_in1k.py \
        8

Widths 128, 768 and 1024: --cfg-options model.neck.embed_dims=128
The paper states no number of heads for other widths; it stays at 16 here.
"""  # noqa: E501

_base_ = './mae_vit-large-p16_pixel_8xb512-amp-coslr-800e_in1k.py'

model = dict(neck=dict(embed_dims=256))
