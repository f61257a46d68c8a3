"""MAE, ViT-H/14, 800 epochs, with weights and optimizer state sharded over the GPUs.

Source: the recipe of mae_vit-huge-p14_8xb512-amp-coslr-800e_in1k, in bfloat16.
Expected: no published score for sharded training; that recipe's is 85.8 % top-1 (Table 2).
Cost: not published.

    bash tools/dist_train.sh \
        configs/pretrain/mae/mae_vit-huge-p14_8xb512-amp-fsdp-coslr-800e_in1k.py 8
"""

_base_ = [
    './mae_vit-huge-p14_8xb512-amp-coslr-800e_in1k.py',
    '../../_base_/fsdp.py',
]

optim_wrapper = dict(dtype='bfloat16')
