"""MAE ablation, ViT-L/16: 96 principal components of each patch as target.

Source: He et al. 2021 (arXiv 2111.06377), section 4.1 and table 1d.
Expected: 84.6 % top-1 after fine-tuning, 72.3 % with a linear probe (Table 1d).
Cost: as for the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_pca_8xb512-amp-coslr-800e_in1k.py 8

The components are fitted to training images first, once, and kept in a file:

    python tools/fit_patch_pca.py \
        configs/pretrain/mae/ablation/mae_vit-large-p16_pca_8xb512-amp-coslr-800e_in1k.py
"""

_base_ = '../mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py'

patch_size = 16  # pixels

model = dict(
    neck=dict(out_dims=96),
    target_generator=dict(
        _delete_=True,
        type='PCATarget',
        basis='work_dirs/patch-pca_in1k-p16.npz',
        patch_size=patch_size,
        num_coefficients=96,
    ),
)
