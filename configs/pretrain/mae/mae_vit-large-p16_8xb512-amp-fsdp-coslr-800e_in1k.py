"""MAE, ViT-L/16, 800 epochs, with weights and optimizer state sharded over the GPUs.

Source: the recipe of mae_vit-large-p16_8xb512-amp-coslr-800e_in1k, in bfloat16.
Expected: no published score for sharded training; that recipe's is 85.4 % top-1 (Table 1d).
Cost: not published.

    bash tools/dist_train.sh \
        configs/pretrain/mae/mae_vit-large-p16_8xb512-amp-fsdp-coslr-800e_in1k.py 8
"""

_base_ = [
    './mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py',
    '../../_base_/fsdp.py',
]

optim_wrapper = dict(dtype='bfloat16')
