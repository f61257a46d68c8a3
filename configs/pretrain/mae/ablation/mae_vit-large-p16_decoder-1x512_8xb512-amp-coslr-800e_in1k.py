"""MAE ablation, ViT-L/16: a decoder of one block.

Source: He et al. 2021 (arXiv 2111.06377), tables 1a and 2.
Expected: 84.8 % top-1 after fine-tuning, 65.5 % with a linear probe (Table 1a).
Cost: 11.6 h on 128 TPU-v3, with eight blocks 15.4 h (table 2).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_decoder-1x512_8xb512-amp-coslr-800e_in1k.py \
        8

Depths 2, 4 and 12: --cfg-options model.neck.num_layers=2
"""  # noqa: E501

_base_ = './mae_vit-large-p16_pixel_8xb512-amp-coslr-800e_in1k.py'

model = dict(neck=dict(num_layers=1))
