"""The masked autoencoder against the formulas, against transformers and against MMPretrain."""

import pytest
import torch
from mmpretrain.models import MAE as PeerMAE
from mmpretrain.registry import MODELS
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from mae_transfer.layers.patchify import patchify
from mae_transfer.layers.pos_embed import sincos_pos_embed
from mae_transfer.pretrain import MaskedAutoencoder
from mae_transfer.pretrain.masked_encoder import encode_visible
from tests.support.weights import randomize

P, GRID = 8, (4, 4)
DEPTH, DIMS, HEADS = 2, 32, 2
DECODER_DEPTH, DECODER_DIMS, DECODER_HEADS = 2, 16, 4


def build(
    norm_pix: bool = True, img_size=(32, 32), order: str = 'xy', **backbone
) -> MaskedAutoencoder:
    grid = (img_size[0] // P, img_size[1] // P)
    return MODELS.build(
        dict(
            type='MaskedAutoencoder',
            backbone=dict(
                type='PlainViT',
                arch=dict(embed_dims=DIMS, num_layers=DEPTH, num_heads=HEADS),
                img_size=img_size,
                patch_size=P,
                pos_embed=f'sincos_{order}',
                **backbone,
            ),
            neck=dict(
                type='MAEDecoder',
                encoder_dims=DIMS,
                grid=grid,
                out_dims=P * P * 3,
                embed_dims=DECODER_DIMS,
                num_layers=DECODER_DEPTH,
                num_heads=DECODER_HEADS,
                pos_order=order,
            ),
            head=dict(type='MaskedPatchLoss'),
            target_generator=dict(type='PixelTarget', patch_size=P, norm_pix=norm_pix),
        )
    )


def some_mask(batch: int, num_patches: int, hidden: int) -> torch.Tensor:
    ranks = torch.rand(batch, num_patches).argsort(1).argsort(1)
    return ranks < hidden


# ---- peers -----------------------------------------------------------------------------------


def to_hugging_face(state: dict) -> dict:
    """Rename our tensors to transformers' ViTMAE; its query, key and value stand apart."""
    renamed = {}
    for name, tensor in state.items():
        name = name.replace('backbone.blocks.', 'vit.encoder.layer.')
        name = name.replace('neck.decoder_blocks.', 'decoder.decoder_layers.')
        name = name.replace(
            'backbone.patch_embed.proj', 'vit.embeddings.patch_embeddings.projection'
        )
        name = name.replace('backbone.cls_token', 'vit.embeddings.cls_token')
        name = name.replace('backbone.pos_embed', 'vit.embeddings.position_embeddings')
        name = name.replace('backbone.norm', 'vit.layernorm').replace('neck.', 'decoder.')
        name = name.replace('norm1', 'layernorm_before').replace('norm2', 'layernorm_after')
        name = name.replace('attn.proj', 'attention.output.dense')
        name = name.replace('mlp.fc1', 'intermediate.dense').replace('mlp.fc2', 'output.dense')
        if 'attn.qkv' in name:
            for part, piece in zip(('query', 'key', 'value'), tensor.chunk(3), strict=True):
                renamed[name.replace('attn.qkv', f'attention.attention.{part}')] = piece
        else:
            renamed[name] = tensor
    return renamed


def hugging_face(ours: MaskedAutoencoder, norm_pix: bool) -> ViTMAEForPreTraining:
    peer = ViTMAEForPreTraining(
        ViTMAEConfig(
            hidden_size=DIMS,
            num_hidden_layers=DEPTH,
            num_attention_heads=HEADS,
            intermediate_size=4 * DIMS,
            image_size=32,
            patch_size=P,
            layer_norm_eps=1e-6,
            decoder_hidden_size=DECODER_DIMS,
            decoder_num_hidden_layers=DECODER_DEPTH,
            decoder_num_attention_heads=DECODER_HEADS,
            decoder_intermediate_size=4 * DECODER_DIMS,
            norm_pix_loss=norm_pix,
            mask_ratio=0.75,
        )
    )
    torch.testing.assert_close(peer.vit.embeddings.position_embeddings, ours.backbone.pos_embed)
    peer.load_state_dict(to_hugging_face(ours.state_dict()), strict=True)
    return peer.eval()


@pytest.mark.parametrize('norm_pix', [True, False])
def test_mae__loss_and_prediction_equal_transformers(norm_pix):
    ours = randomize(build(norm_pix), std=0.1).eval()
    peer = hugging_face(ours, norm_pix)
    images = torch.randn(3, 3, 32, 32)
    mask = some_mask(3, 16, 12)
    noise = mask.float() + torch.rand(3, 16) * 0.5  # visible patches have the smaller noise
    theirs = peer(images, noise=noise)
    pred, used = ours.predict_patches(images, mask)
    assert (used == theirs.mask.bool()).all()
    torch.testing.assert_close(pred, theirs.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        ours.loss(images, mask=mask)['loss'], theirs.loss, rtol=1e-5, atol=1e-6
    )


def to_mmpretrain(state: dict) -> dict:
    """Rename our tensors to MMPretrain's MAE."""
    renamed = {}
    for name, tensor in state.items():
        name = name.replace('backbone.blocks.', 'backbone.layers.')
        name = name.replace('patch_embed.proj', 'patch_embed.projection')
        name = name.replace('norm1', 'ln1').replace('norm2', 'ln2')
        name = name.replace('mlp.fc1', 'ffn.layers.0.0').replace('mlp.fc2', 'ffn.layers.1')
        name = name.replace('backbone.norm', 'backbone.ln1').replace('decoder_norm', 'ln1')
        renamed[name] = tensor
    return renamed


@pytest.mark.parametrize('norm_pix', [True, False])
def test_mae__loss_and_prediction_equal_mmpretrain(norm_pix, monkeypatch):
    """MMPretrain's table has the row in its first half: the order 'yx'."""
    ours = randomize(build(norm_pix, order='yx'), std=0.1).eval()
    peer = PeerMAE(
        backbone=dict(
            type='MAEViT',
            arch=dict(
                embed_dims=DIMS, num_layers=DEPTH, num_heads=HEADS, feedforward_channels=4 * DIMS
            ),
            img_size=32,
            patch_size=P,
        ),
        neck=dict(
            type='MAEPretrainDecoder',
            num_patches=16,
            patch_size=P,
            embed_dim=DIMS,
            decoder_embed_dim=DECODER_DIMS,
            decoder_depth=DECODER_DEPTH,
            decoder_num_heads=DECODER_HEADS,
        ),
        head=dict(
            type='MAEPretrainHead',
            norm_pix=norm_pix,
            patch_size=P,
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
    ).eval()
    peer.init_weights()
    table = sincos_pos_embed(DIMS, GRID, 'yx')
    torch.testing.assert_close(peer.backbone.pos_embed, table)
    peer.load_state_dict(to_mmpretrain(ours.state_dict()), strict=True)
    images, mask = torch.randn(3, 3, 32, 32), some_mask(3, 16, 12)
    noise = mask.float() + torch.rand(3, 16) * 0.5
    monkeypatch.setattr(torch, 'rand', lambda *size, **kwargs: noise)
    theirs = peer.loss(images, [])['loss']
    torch.testing.assert_close(ours.loss(images, mask=mask)['loss'], theirs, rtol=1e-5, atol=1e-6)


# ---- formulas --------------------------------------------------------------------------------


def test_mae__loss_is_the_mean_over_hidden_patches():
    """Loop over images and hidden patches; the mean and the unbiased variance written out."""
    model = randomize(build(), std=0.1).eval()
    images, mask = torch.randn(2, 3, 32, 32), some_mask(2, 16, 11)
    pred, _ = model.predict_patches(images, mask)
    patches, errors = patchify(images, (P, P)), []
    for b in range(2):
        for i in range(16):
            if mask[b, i]:
                values = patches[b, i]
                mean = values.sum() / len(values)
                variance = ((values - mean) ** 2).sum() / (len(values) - 1)
                target = (values - mean) / (variance + 1e-6) ** 0.5
                errors.append(((pred[b, i] - target) ** 2).mean())
    torch.testing.assert_close(model.loss(images, mask=mask)['loss'], sum(errors) / len(errors))


def test_mae__pixels_under_the_mask_reach_target_only():
    """Other hidden pixels leave the prediction, other visible pixels leave the target unmoved."""
    model = randomize(build(norm_pix=False), std=0.1).eval()
    images, mask = torch.randn(1, 3, 32, 32), some_mask(1, 16, 12)
    pixels = mask.reshape(1, 1, *GRID).repeat_interleave(P, 2).repeat_interleave(P, 3)
    pred, _ = model.predict_patches(images, mask)
    other_hidden = torch.where(pixels, torch.randn_like(images), images)
    torch.testing.assert_close(model.predict_patches(other_hidden, mask)[0], pred)
    other_visible = torch.where(pixels, images, torch.randn_like(images))
    assert not torch.allclose(model.predict_patches(other_visible, mask)[0], pred)
    hidden_rows = mask.unsqueeze(-1)
    torch.testing.assert_close(
        model.target_generator(other_visible) * hidden_rows,
        model.target_generator(images) * hidden_rows,
    )


def test_encode_visible__equals_a_plain_forward_when_nothing_is_hidden():
    model = randomize(build(img_size=(32, 48)), std=0.1).eval()
    model.backbone.out_type = 'tokens'
    images = torch.randn(2, 3, 32, 48)
    ids_keep = torch.arange(24).expand(2, -1)
    torch.testing.assert_close(
        encode_visible(model.backbone, images, ids_keep, (4, 6)), model.backbone(images)[0]
    )


def test_encode_visible__order_of_tokens_does_not_matter():
    model = randomize(build(img_size=(32, 48)), std=0.1).eval()
    images = torch.randn(1, 3, 32, 48)
    forth = encode_visible(model.backbone, images, torch.tensor([[3, 8, 20]]), (4, 6))
    back = encode_visible(model.backbone, images, torch.tensor([[20, 3, 8]]), (4, 6))
    torch.testing.assert_close(back, forth[:, [0, 3, 1, 2]])


@pytest.mark.parametrize('norm_pix', [True, False])
def test_reconstruct__a_perfect_prediction_is_the_picture(norm_pix, monkeypatch):
    model = build(norm_pix, img_size=(32, 48)).eval()
    images = torch.randn(2, 3, 32, 48)
    monkeypatch.setattr(model.neck, 'forward', lambda *_: model.target_generator(images))
    masked, reconstruction, mask = model.reconstruct(images)
    torch.testing.assert_close(reconstruction, images)
    assert mask.shape == (2, 24) and mask.dtype == torch.bool and (mask.sum(1) == 18).all()
    pixels = mask.reshape(2, 1, 4, 6).repeat_interleave(P, 2).repeat_interleave(P, 3)
    torch.testing.assert_close(masked, images * ~pixels)


def test_mae__another_size_than_the_stored_grid_trains():
    model = build()
    loss = model.loss(torch.randn(2, 3, 40, 64))['loss']
    loss.backward()
    assert loss.isfinite()


def test_mae__every_trainable_parameter_learns():
    model = build()
    model.init_weights()
    model.loss(torch.randn(4, 3, 32, 32))['loss'].backward()
    for name, parameter in model.named_parameters():
        if 'pos_embed' in name:
            assert not parameter.requires_grad
        else:
            assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name


def test_mae__initialization_follows_the_paper():
    torch.manual_seed(0)
    model = build()
    before = model.backbone.patch_embed.proj.bias.clone()
    model.init_weights()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            bound = (6 / (module.in_features + module.out_features)) ** 0.5
            assert module.weight.abs().max() <= bound, name
            assert module.weight.abs().max() > 0.9 * bound, name
            assert module.bias.abs().max() == 0, name
    conv = model.backbone.patch_embed.proj
    bound = (6 / (DIMS + 3 * P * P)) ** 0.5
    assert 0.9 * bound < conv.weight.abs().max() <= bound
    torch.testing.assert_close(conv.bias, before)
    for token in (model.backbone.cls_token, model.neck.mask_token):
        assert 0.01 < token.std() < 0.04
    torch.testing.assert_close(model.backbone.pos_embed, sincos_pos_embed(DIMS, GRID))


def test_mae__bf16_loss_is_close_to_fp32():
    model, images, mask = (
        randomize(build(), std=0.1).eval(),
        torch.randn(4, 3, 32, 32),
        some_mask(4, 16, 12),
    )
    exact = model.loss(images, mask=mask)['loss']
    with torch.autocast('cpu', torch.bfloat16):
        rounded = model.loss(images, mask=mask)['loss']
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.05)


# ---- errors ----------------------------------------------------------------------------------


def test_mae__rejects_a_mask_of_another_grid():
    with pytest.raises(ValueError, match=r'mask has the shape \(2, 9\)'):
        build().loss(torch.zeros(2, 3, 32, 32), mask=torch.ones(2, 9))


def test_mae__rejects_an_image_that_patches_do_not_tile():
    with pytest.raises(ValueError, match='30x32 pixels'):
        build().loss(torch.zeros(2, 3, 30, 32))


@pytest.mark.parametrize(
    'backbone',
    [dict(final_norm=False), dict(with_cls_token=False), dict(with_cls_token=False, window_size=2)],
)
def test_mae__rejects_an_encoder_that_needs_the_whole_map(backbone):
    with pytest.raises(ValueError, match='visible patches'):
        build(**backbone)
