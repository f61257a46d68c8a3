"""MAE ablation, ViT-L/16: histograms of oriented gradients as target.

Source: Wei et al. 2021 (MaskFeat, arXiv 2112.09133), section 3, for the target; not in MAE's table.
Expected: no published score for MAE.
Cost: as for the recipe of 800 epochs, about 42 h on 64 V100 GPUs (PRETRAIN.md).

    bash tools/dist_train.sh \
        configs/pretrain/mae/ablation/mae_vit-large-p16_hog_8xb512-amp-coslr-800e_in1k.py 8

ViT-H/14 needs model.target_generator.cell_size=7.
"""

_base_ = '../mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py'

patch_size, cell_size, num_bins = 16, 8, 9  # pixels, pixels, orientations

model = dict(
    neck=dict(out_dims=3 * num_bins * (patch_size // cell_size) ** 2),
    target_generator=dict(
        _delete_=True,
        type='HOGTarget',
        patch_size=patch_size,
        cell_size=cell_size,
        num_bins=num_bins,
    ),
)
