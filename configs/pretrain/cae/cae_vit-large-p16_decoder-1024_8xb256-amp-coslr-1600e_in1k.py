"""CAE, ViT-L/16, 1600 epochs, with the regressor and decoder that its script intends.

Source: Chen et al. 2022 (arXiv 2202.03026); Atten4Vis/CAE, scripts/cae_large_1600e.sh, lines 38 to
40.
Expected: 86.2 % top-1 after fine-tuning, if the released weights come from these settings
(README.md).
Cost: not published; the script asks for 32 GPUs with 64 images each.

    bash tools/dist_train.sh \
        configs/pretrain/cae/cae_vit-large-p16_decoder-1024_8xb256-amp-coslr-1600e_in1k.py 8

1024 wide with 16 heads and no projection, a layer scale of 1e-5, BEiT's initialization of linear
layers. A missing backslash keeps these options from the script's run, and the code reads only the
width.
"""

_base_ = './cae_vit-large-p16_8xb256-amp-coslr-1600e_in1k.py'

model = dict(
    neck=dict(embed_dims=1024, num_heads=16, layer_scale_init=1e-5), linear_init='rescaled'
)
