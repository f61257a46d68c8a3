"""MAE, ViT-L/16, 800 epochs, with weights and optimizer state shared out over the GPUs.

Source: the recipe of mae_vit-large-p16_8xb512-amp-coslr-800e_in1k, in bfloat16.
Expected: that recipe's scores; not published for sharded training.
Cost: not published.

    tools/dist_train.sh configs/pretrain/mae/mae_vit-large-p16_8xb512-amp-fsdp-coslr-800e_in1k.py 8
"""

_base_ = [
    './mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py',
    '../../_base_/fsdp.py',
]

optim_wrapper = dict(dtype='bfloat16')
