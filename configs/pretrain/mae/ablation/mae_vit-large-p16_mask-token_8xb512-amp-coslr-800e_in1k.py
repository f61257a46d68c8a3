"""MAE ablation, ViT-L/16: the encoder processes mask tokens, too.

Source: He et al. 2021 (arXiv 2111.06377), tables 1c and 2.
Expected: 84.2 % top-1 after fine-tuning, 59.6 % with a linear probe (Table 1c).
Cost: 42.4 h on 128 TPU-v3, without mask tokens in the encoder 15.4 h (table 2).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_mask-token_8xb512-amp-coslr-800e_in1k.py 8

The decoder gets the encoder's output for every position and adds no mask tokens.
"""

_base_ = './mae_vit-large-p16_pixel_8xb512-amp-coslr-800e_in1k.py'

model = dict(encoder_mask_token=True)
train_dataloader = dict(batch_size=64)  # four times as many tokens in the encoder
optim_wrapper = dict(accumulative_counts=8)  # x 8 GPUs x 64 = 4096
