"""Defaults of the parts: what a config, or a call, that leaves an argument out means."""

import importlib
import inspect
import math

import pytest

ASPECTS = (3 / 4, 4 / 3)
CAE_PART = dict(mlp_ratio=4.0, layer_scale_init=0.1, drop_path_rate=0.0, norm_eps=1e-6)
CAE_STACK = dict(CAE_PART, embed_dims=768, num_layers=4, num_heads=12)

# Those that come from a publication are its own: MAE's, CAE's, BEiT's, ViTDet's, DALL-E's.
DEFAULTS = {
    'layers.attention.Attention': dict(
        qkv_bias=True, rel_pos='decomposed', rel_pos_size=None, num_prefix_tokens=0
    ),
    'layers.block.Block': dict(
        mlp_ratio=4.0, qkv_bias=True, layer_scale_init=None, drop_path_rate=0.0, norm_eps=1e-6,
        window_size=0, rel_pos_size=None, rel_pos='decomposed', num_prefix_tokens=0,
    ),
    'layers.patchify.patchify': dict(channel_first=False),
    'layers.patchify.unpatchify': dict(channel_first=False),
    'layers.pos_embed.sincos_pos_embed': dict(order='xy', num_prefix_tokens=1),
    'layers.pos_embed.resize_pos_embed': dict(old_grid=None, num_prefix_tokens=1),
    'masking.block_mask.block_mask': dict(min_block=16, max_block=None, min_aspect=0.3),
    'backbones.PlainViT': dict(
        arch='base', img_size=224, patch_size=16, in_channels=3, pretrain_img_size=None,
        with_cls_token=True, num_register_tokens=0, pos_embed='learned', cls_pos_embed=True,
        freeze_pos_embed=None, qkv_bias=True, layer_scale_init=None, rel_pos=False, window_size=0,
        global_blocks=(), drop_path_rate=0.0, out_indices=-1, final_norm=True, out_type='featmap',
        frozen_stages=-1, trainable_blocks=None, with_cp=False, norm_eps=1e-6,
        linear_init='trunc_normal',
    ),
    'backbones.TimmViT': dict(
        pretrained=False, img_size=None, in_channels=3, out_indices=-1, final_norm=True,
        drop_path_rate=0.0, frozen_stages=-1, with_cp=False,
    ),
    'necks.attentive_probe.AttentiveProbe': dict(skip_tokens=0, norm_eps=1e-6),
    'necks.simple_fpn.SimpleFPN': dict(out_channels=256, num_outs=5),
    'pretrain.ContextAutoencoder': dict(mask_ratio=0.5, linear_init='xavier'),
    'pretrain.ContextLoss': dict(align_weight=2.0),
    'pretrain.ContextNeck': dict(
        CAE_PART, out_dims=8192, embed_dims=768, regressor_layers=4, decoder_layers=4,
        num_heads=12, pos_order='yx',
    ),
    'pretrain.cae_decoder.LatentDecoder': CAE_STACK,
    'pretrain.cae_regressor.LatentRegressor': CAE_STACK,
    'pretrain.cae_regressor.RegressorBlock': CAE_PART,
    'pretrain.DiscreteVAE': dict(
        num_codes=8192, embed_dims=512, hidden_dims=256, num_layers=3, num_blocks=2, in_channels=3,
        temperature=1.0, kl_weight=0.0, straight_through=False,
    ),
    'pretrain.HOGTarget': dict(patch_size=16, cell_size=8, num_bins=9),
    'pretrain.MaskedAutoencoder': dict(
        mask_ratio=0.75, encoder_mask_token=False, linear_init='xavier', skip_first_hidden=False
    ),
    'pretrain.MAEDecoder': dict(
        embed_dims=512, num_layers=8, num_heads=16, mlp_ratio=4.0, pos_order='xy', norm_eps=1e-6,
        qkv_bias=True, input_layer=True, final_norm=True,
    ),
    'pretrain.RandomMasking': dict(mask_ratio=0.75),
    'pretrain.BlockMasking': dict(mask_ratio=0.75, min_block=16, max_block=None, min_aspect=0.3),
    'pretrain.GridMasking': dict(mask_ratio=0.75),
    'pretrain.PCATarget': dict(patch_size=16, num_coefficients=96),
    'pretrain.PixelTarget': dict(patch_size=16, norm_pix=True, channel_first=False),
    'pretrain.TokenTarget': dict(image_mean=None, image_std=None, view_size=None),
    'optim.AutocastOptimWrapper': dict(
        dtype='bfloat16', loss_scale='dynamic', accumulative_counts=1, clip_grad=None
    ),
    'optim.FullyShardStrategy': dict(
        units=('Block',), reshard_after_forward=True, param_dtype=None
    ),
    'optim.MAELARS': dict(weight_decay=0.0, momentum=0.9, trust_coefficient=0.001),
    'optim.LinearWarmupLR': dict(start_factor=0.0, begin=0, endpoint=False, by_epoch=True),
    'optim.WarmupUnderCosineLR': dict(by_epoch=True),
    'data.label_map.MapLabels': dict(num_classes=None, ignore_labels=(), label_map=None),
    'data.random_clipped_crop.RandomClippedCrop': dict(
        crop_ratio_range=(0.08, 1.0), aspect_ratio_range=ASPECTS, interpolation='bicubic',
        backend='pillow',
    ),
    'data.two_size_crop.TwoSizeCrop': dict(
        scale=224, second_scale=112, crop_ratio_range=(0.08, 1.0), aspect_ratio_range=ASPECTS,
        interpolation='bicubic', second_interpolation='lanczos',
    ),
    'data.timm_rand_augment.TimmRandAugment': dict(
        fill_rgb=(124, 116, 104), interpolation='bicubic'
    ),
    'hooks.ReconstructionHook': dict(num_images=8, interval=1000),
}  # fmt: skip


@pytest.mark.parametrize('name', DEFAULTS)
def test_default__is_the_stated_one(name):
    module, _, part = name.rpartition('.')
    parameters = inspect.signature(
        getattr(importlib.import_module(f'mae_transfer.{module}'), part)
    ).parameters
    assert {key: parameters[key].default for key in DEFAULTS[name]} == DEFAULTS[name]


@pytest.mark.parametrize('name', DEFAULTS)
def test_default__of_every_argument_with_a_number_or_a_word_is_stated(name):
    module, _, part = name.rpartition('.')
    found = getattr(importlib.import_module(f'mae_transfer.{module}'), part)
    books = {'last_step', 'verbose', 'device'}  # MMEngine's and PyTorch's
    stated = {
        key
        for key, parameter in inspect.signature(found).parameters.items()
        if isinstance(parameter.default, bool | int | float | str) and key not in books
    }
    assert stated <= set(DEFAULTS[name])


def test_constants__are_the_published_ones():
    """Numbers that no argument names: epsilons, DALL-E's range."""
    from mae_transfer.necks import channel_norm
    from mae_transfer.pretrain import hog_target, pixel_target, tokenizer_range

    assert pixel_target.EPS == 1e-6
    assert hog_target.EPS == 1e-5
    assert channel_norm.VITDET_EPS == 1e-6 and channel_norm.MMCV_DEFAULT_EPS == 1e-5
    assert tokenizer_range.MARGIN == 0.1
    assert math.isclose(tokenizer_range.STD, 318.75)
    assert math.isclose(tokenizer_range.MEAN, -31.875)
