"""The context autoencoder: against MMPretrain's, where gradients go, and how it starts."""

import pytest
import torch
from mmpretrain.models import CAE as PeerCAE
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

from mae_transfer.masking.block_mask import block_mask
from mae_transfer.masking.token_index import split_by_mask
from mae_transfer.pretrain import ContextAutoencoder
from mae_transfer.pretrain.masked_encoder import encode_visible
from tests.support.weights import randomize

P, SIDE, GRID = 8, 32, (4, 4)
DEPTH, DIMS, HEADS = 2, 32, 2
CODES = 24


class FakeTokenizer(nn.Module):
    """Logits of a code per 4x4 pixels, as a tokenizer gives them: (B, K, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, CODES, 4, stride=4).requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images)


class FakeTokens(FakeTokenizer):
    """Its tokens, as a target generator gives them: (B, L)."""

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).argmax(1).flatten(1)


def build(
    neck_dims: int = DIMS,
    drop_path_rate: float = 0.0,
    target: nn.Module | dict | None = None,
    reconstruction: str = 'TokenLoss',
    out_dims: int = CODES,
    img_size=(SIDE, SIDE),
    backbone: dict | None = None,
    **options,
) -> ContextAutoencoder:
    return MODELS.build(
        dict(
            type='ContextAutoencoder',
            backbone=dict(
                type='PlainViT',
                arch=dict(embed_dims=DIMS, num_layers=DEPTH, num_heads=HEADS),
                img_size=img_size,
                patch_size=P,
                pos_embed='sincos_yx',
                qkv_bias='no-key',
                layer_scale_init=0.1,
                drop_path_rate=drop_path_rate,
                **(backbone or {}),
            ),
            neck=dict(
                type='ContextNeck',
                encoder_dims=DIMS,
                grid=(img_size[0] // P, img_size[1] // P),
                out_dims=out_dims,
                embed_dims=neck_dims,
                regressor_layers=3,
                decoder_layers=2,
                num_heads=HEADS,
                drop_path_rate=drop_path_rate,
            ),
            head=dict(type='ContextLoss', reconstruction=dict(type=reconstruction)),
            target_generator=FakeTokens() if target is None else target,
            masking=dict(type='BlockMasking', min_block=2),
            **options,
        )
    )


def pixels(norm_pix: bool, **options) -> ContextAutoencoder:
    target = dict(type='PixelTarget', patch_size=P, norm_pix=norm_pix)
    options = dict(reconstruction='MaskedPatchLoss', out_dims=3 * P * P, **options)
    return build(target=target, **options)


def two_views(batch: int = 3) -> list[torch.Tensor]:
    return [torch.randn(batch, 3, SIDE, SIDE), torch.randn(batch, 3, SIDE // 2, SIDE // 2)]


def some_mask(batch: int = 3, hidden: int = 8) -> torch.Tensor:
    return block_mask(batch, GRID, hidden, min_block=2)


def hidden_pixels(mask: torch.Tensor) -> torch.Tensor:
    """(B, L) -> (B, 1, H, W)."""
    return mask.view(-1, 1, *GRID).repeat_interleave(P, 2).repeat_interleave(P, 3)


# ---- a peer ----------------------------------------------------------------------------------


def to_mmpretrain(state: dict) -> dict:
    """Rename our tensors to MMPretrain's CAE."""
    renamed = {}
    for name, tensor in state.items():
        name = name.replace('backbone.blocks.', 'backbone.layers.')
        name = name.replace('neck.decoder.blocks.', 'neck.decoders.')
        name = name.replace('patch_embed.proj', 'patch_embed.projection')
        name = name.replace('mlp.fc1', 'ffn.layers.0.0').replace('mlp.fc2', 'ffn.layers.1')
        if name.startswith('neck.regressor.blocks.'):
            name = name.replace('neck.regressor.blocks.', 'neck.regressors.')
            name = name.replace('.attn.', '.cross_attn.')
            name = name.replace('ls1.gamma', 'gamma_1_cross').replace('ls2.gamma', 'gamma_2_cross')
            for norm in ('norm1_q', 'norm1_k', 'norm1_v', 'norm2'):
                name = name.replace(f'{norm}.', f'{norm}_cross.')
        else:
            name = name.replace('ls1.gamma', 'gamma_1').replace('ls2.gamma', 'gamma_2')
            name = name.replace('norm1', 'ln1').replace('norm2', 'ln2')
        name = name.replace('backbone.norm', 'backbone.ln1')
        name = name.replace('neck.regressor.norm', 'neck.norm_regressor')
        name = name.replace('neck.decoder.norm', 'neck.norm_decoder')
        name = name.replace('neck.decoder.pred', 'neck.head')
        name = name.replace('neck.regressor.mask_token', 'neck.mask_token')
        if name != 'neck.pos_embed' and 'target_generator' not in name:
            renamed[name] = tensor
    return renamed


def mmpretrain_cae(ours: ContextAutoencoder, num_masked: int) -> PeerCAE:
    peer = PeerCAE(
        backbone=dict(
            type='CAEPretrainViT',
            arch=dict(
                embed_dims=DIMS, num_layers=DEPTH, num_heads=HEADS, feedforward_channels=4 * DIMS
            ),
            img_size=SIDE,
            patch_size=P,
            layer_scale_init_value=0.1,
            bias='qv_bias',
        ),
        neck=dict(
            type='CAENeck',
            num_classes=CODES,
            embed_dims=DIMS,
            num_heads=HEADS,
            regressor_depth=3,
            decoder_depth=2,
            mlp_ratio=4,
            layer_scale_init_value=0.1,
            mask_tokens_num=num_masked,
        ),
        head=dict(type='CAEHead', loss=dict(type='CAELoss', lambd=2)),
        target_generator=FakeTokenizer(),
        base_momentum=0.0,
    )
    peer.init_weights()
    torch.testing.assert_close(peer.backbone.pos_embed, ours.backbone.pos_embed)
    torch.testing.assert_close(peer.backbone.pos_embed[:, 1:], ours.neck.pos_embed)
    state = to_mmpretrain(ours.state_dict())
    state |= {f'teacher.{k[9:]}': v for k, v in state.items() if k.startswith('backbone.')}
    missing, unexpected = peer.load_state_dict(state, strict=False)
    assert not unexpected and all(name.startswith('target_generator') for name in missing)
    peer.target_generator.load_state_dict(ours.target_generator.state_dict())
    return peer.eval()


@pytest.mark.parametrize('hidden', [6, 8], ids=['6-of-16', '8-of-16'])
def test_cae__losses_and_gradients_equal_mmpretrain(hidden):
    """On the same weights, masks and targets.

    By design they differ in what this comparison leaves out: MMPretrain's recipe hides 75 of 196
    patches (ours 98, as CAE's), has no drop path (ours .1), and its alignment target is a copy of
    the encoder that lags one optimizer step behind (ours is the encoder itself, as CAE's).
    """
    ours = randomize(build()).eval()
    peer = mmpretrain_cae(ours, hidden)
    views, mask = two_views(), some_mask(hidden=hidden)
    samples = [DataSample().set_mask(m.view(GRID)) for m in mask]
    theirs = peer.loss(views, samples)
    losses = ours.loss(views, mask=mask)
    close = dict(rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses['loss_reconstruction'], theirs['main'], **close)
    torch.testing.assert_close(losses['loss_alignment'], theirs['align'], **close)
    torch.testing.assert_close(sum(losses.values()), theirs['loss'], **close)

    sum(losses.values()).backward()
    theirs['loss'].backward()
    gradients = {name: p.grad for name, p in ours.named_parameters() if p.grad is not None}
    expected = {name: p.grad for name, p in peer.named_parameters() if p.grad is not None}
    renamed = to_mmpretrain(gradients)
    assert set(renamed) == set(expected)
    for name, gradient in renamed.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-5, msg=name)


# ---- the alignment target --------------------------------------------------------------------


def test_latent_target__is_the_encoder_on_the_hidden_patches_without_its_class_token():
    model = randomize(build()).eval()
    images, ids_mask = torch.randn(2, 3, SIDE, SIDE), torch.tensor([[3, 1, 7], [0, 15, 2]])
    found = model.latent_target(images, ids_mask, GRID)
    expected = encode_visible(model.backbone, images, ids_mask, GRID)[:, 1:]
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad


def test_latent_target__sees_hidden_patches_alone():
    model = randomize(build()).eval()
    images, ids_mask = torch.randn(1, 3, SIDE, SIDE), torch.tensor([[0, 5]])
    before = model.latent_target(images, ids_mask, GRID)
    images[..., P : 2 * P, 2 * P :] += 1  # patches 6 and 7
    torch.testing.assert_close(model.latent_target(images, ids_mask, GRID), before)
    images[..., P : 2 * P, P : 2 * P] += 1  # patch 5
    assert not torch.allclose(model.latent_target(images, ids_mask, GRID), before)


def test_latent_target__passes_the_projection():
    model = randomize(build(neck_dims=16)).eval()
    images, ids_mask = torch.randn(2, 3, SIDE, SIDE), torch.tensor([[3, 1], [0, 2]])
    expected = model.neck.projection(encode_visible(model.backbone, images, ids_mask, GRID)[:, 1:])
    torch.testing.assert_close(model.latent_target(images, ids_mask, GRID), expected)
    assert expected.shape == (2, 2, 16)


def test_latent_target__follows_the_encoder_without_lag():
    model = build().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    views, ids_mask = two_views(2), torch.tensor([[3, 1], [0, 2]])
    sum(model.loss(views).values()).backward()
    before = model.latent_target(views[0], ids_mask, GRID)
    optimizer.step()
    after = model.latent_target(views[0], ids_mask, GRID)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(
        after, encode_visible(model.backbone, views[0], ids_mask, GRID)[:, 1:]
    )


def test_latent_target__draws_drop_path_anew_in_training_only():
    model = randomize(build(drop_path_rate=0.5)).eval()
    images, ids_mask = torch.randn(8, 3, SIDE, SIDE), torch.arange(4).expand(8, 4)
    torch.testing.assert_close(
        model.latent_target(images, ids_mask, GRID), model.latent_target(images, ids_mask, GRID)
    )
    model.train()
    first, second = (model.latent_target(images, ids_mask, GRID) for _ in range(2))
    assert not torch.allclose(first, second)


# ---- gradients -------------------------------------------------------------------------------


@pytest.mark.parametrize('neck_dims', [DIMS, 16], ids=['same-width', 'projected'])
def test_gradient__none_reaches_the_encoder_through_the_alignment_target(neck_dims):
    """With the regressor's output cut off, the target is the only way; nothing arrives."""
    model = randomize(build(neck_dims)).eval()
    cut = model.neck.regressor.norm.register_forward_hook(lambda _, __, out: out.detach())
    loss = model.loss(two_views(), mask=some_mask())['loss_alignment']
    assert not loss.requires_grad
    cut.remove()
    loss = model.loss(two_views(), mask=some_mask())['loss_alignment']
    loss.backward()
    assert model.backbone.blocks[0].attn.qkv.weight.grad.abs().sum() > 0  # through what is visible


def test_gradient__of_the_alignment_equals_that_to_a_constant():
    """The gradient with the encoder's own target is that with the same numbers from a file."""
    model = randomize(build()).eval()
    views, mask = two_views(), some_mask()
    model.loss(views, mask=mask)['loss_alignment'].backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    ids_keep, ids_mask, _ = split_by_mask(mask)
    constant = model.latent_target(views[0], ids_mask, GRID).clone()
    latent, _ = model.predict_hidden(views[0], ids_keep, ids_mask, GRID)
    (2 * (latent - constant).square().mean()).backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found.pop(name), parameter.grad, msg=name)
    assert not found


@pytest.mark.parametrize('dtype', [None, torch.bfloat16], ids=['float32', 'bfloat16'])
@pytest.mark.parametrize('neck_dims', [DIMS, 16], ids=['same-width', 'projected'])
def test_gradient__every_parameter_outside_the_tokenizer_gets_one(neck_dims, dtype):
    """But the fixed positions."""
    model = build(neck_dims).train()
    model.init_weights()
    with torch.autocast('cpu', dtype or torch.bfloat16, enabled=dtype is not None):
        losses = model.loss(two_views())
    sum(losses.values()).backward()
    without = {
        name
        for name, p in model.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or not p.grad.any()
    }
    assert without == {
        'backbone.pos_embed',
        'neck.pos_embed',
        'target_generator.conv.weight',
        'target_generator.conv.bias',
    }


def test_gradient__recomputed_blocks_change_nothing():
    model = randomize(build()).train()
    views, mask = two_views(), some_mask()
    sum(model.loss(views, mask=mask).values()).backward()
    expected = model.backbone.blocks[0].attn.qkv.weight.grad.clone()
    model.zero_grad()
    model.backbone.with_cp = True
    sum(model.loss(views, mask=mask).values()).backward()
    torch.testing.assert_close(model.backbone.blocks[0].attn.qkv.weight.grad, expected)


# ---- masks, targets, precision ---------------------------------------------------------------


def test_cae__hides_98_of_196_in_blocks_by_default():
    model = build(img_size=(14 * P, 14 * P))
    model.masking.min_block = 16
    ids_keep, ids_mask, _ = model.masking(50, (14, 14))
    assert ids_mask.shape == ids_keep.shape == (50, 98)
    with_default = ContextAutoencoder(
        backbone=model.backbone, neck=model.neck, head=model.head, target_generator=FakeTokens()
    )
    assert vars(with_default.masking) == vars(model.masking)
    assert with_default.masking.mask_ratio == 0.5


def test_loss__targets_of_visible_patches_do_not_count():
    class Constant(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.tokens

    model = randomize(build(target=Constant())).eval()
    views, mask = two_views(), some_mask()
    model.target_generator.tokens = torch.randint(CODES, (3, 16))
    before = model.loss(views, mask=mask)['loss_reconstruction']
    changed = (model.target_generator.tokens + 1) % CODES
    model.target_generator.tokens = torch.where(mask, model.target_generator.tokens, changed)
    torch.testing.assert_close(model.loss(views, mask=mask)['loss_reconstruction'], before)
    model.target_generator.tokens = changed
    assert not torch.allclose(model.loss(views, mask=mask)['loss_reconstruction'], before)


def test_loss__prediction_depends_on_visible_pixels_alone():
    model = randomize(build()).eval()
    images, mask = torch.randn(2, 3, SIDE, SIDE), some_mask(2)
    ids_keep, ids_mask, _ = split_by_mask(mask)
    before = model.predict_hidden(images, ids_keep, ids_mask, GRID)
    changed = torch.where(hidden_pixels(mask), 7.0, images)
    after = model.predict_hidden(changed, ids_keep, ids_mask, GRID)
    torch.testing.assert_close(after, before)


def test_loss__bf16_is_close_to_fp32():
    model, views, mask = randomize(build(neck_dims=16)).eval(), two_views(), some_mask()
    exact = model.loss(views, mask=mask)
    with torch.autocast('cpu', torch.bfloat16):
        rounded = model.loss(views, mask=mask)
    for name, loss in exact.items():
        assert rounded[name].dtype == torch.float32
        torch.testing.assert_close(rounded[name], loss, rtol=0.05, atol=0.05)


@pytest.mark.parametrize('norm_pix', [True, False])
def test_pixels__as_target_with_one_view(norm_pix):
    """The loss is the mean squared error over hidden patches; H != W."""
    model = randomize(pixels(norm_pix, img_size=(16, 32))).eval()
    images = torch.randn(2, 3, 16, 32)
    mask = block_mask(2, (2, 4), 3, min_block=1)
    loss = model.loss(images, mask=mask)['loss_reconstruction']
    ids_keep, ids_mask, _ = split_by_mask(mask)
    _, pred = model.predict_hidden(images, ids_keep, ids_mask, (2, 4))
    total = 0.0
    for image in range(2):
        for place, patch in enumerate(ids_mask[image].tolist()):
            top, left = patch // 4 * P, patch % 4 * P
            true = images[image, :, top : top + P, left : left + P].permute(1, 2, 0).flatten()
            if norm_pix:
                true = (true - true.mean()) / (true.var() + 1e-6).sqrt()
            total += (pred[image, place] - true).square().mean().item() / 6
    torch.testing.assert_close(loss.item(), total, rtol=1e-5, atol=0)


@pytest.mark.parametrize('norm_pix', [True, False])
def test_reconstruct__keeps_visible_patches_and_paints_hidden_ones(norm_pix):
    model = randomize(pixels(norm_pix)).eval()
    images, mask = torch.randn(2, 3, SIDE, SIDE), some_mask(2)
    masked, painted, used = model.reconstruct(images, mask)
    assert used.dtype == torch.bool and (used == mask).all()
    hidden = (
        mask.view(2, 1, *GRID).repeat_interleave(P, 2).repeat_interleave(P, 3).expand_as(images)
    )
    torch.testing.assert_close(masked, images.masked_fill(hidden, 0))
    torch.testing.assert_close(painted[~hidden], images[~hidden], rtol=1e-4, atol=1e-4)
    assert not torch.isclose(painted[hidden], images[hidden]).all()


def test_extract_feat__is_the_whole_first_view():
    model, views = randomize(build()).eval(), two_views()
    torch.testing.assert_close(model(views)[0], model.backbone(views[0])[0])
    torch.testing.assert_close(model(views[0])[0], model.backbone(views[0])[0])


# ---- how it starts ---------------------------------------------------------------------------


def test_init__is_that_of_the_released_code():
    model = build(neck_dims=64)
    model.init_weights()
    for module in [*model.backbone.modules(), *model.neck.modules()]:
        if isinstance(module, nn.Linear):
            bound = (6 / (module.in_features + module.out_features)) ** 0.5  # Xavier
            assert 0.9 * bound < module.weight.abs().max() <= bound
            assert module.bias is None or not module.bias.any()
    conv = model.backbone.patch_embed.proj
    assert not conv.bias.any()
    for tensor in (conv.weight, model.backbone.cls_token, model.neck.regressor.mask_token):
        assert 0.015 < tensor.abs().max() <= 0.02  # normal, std .02, cut at one std
        assert 0.008 < tensor.std() < 0.0135


def test_init__rescaled_divides_what_ends_a_branch():
    """Normal with std .02 cut at .02: std .0108; by sqrt(2 i) in block i."""
    model = build(linear_init='rescaled')
    model.init_weights()
    std = 0.02 * 0.5396  # of a normal that is cut at one std
    for blocks in (model.backbone.blocks, model.neck.regressor.blocks, model.neck.decoder.blocks):
        for i, block in enumerate(blocks, start=1):
            for layer in (block.attn.proj, block.mlp.fc2):
                assert layer.weight.std().item() == pytest.approx(std / (2 * i) ** 0.5, rel=0.1)
            assert block.mlp.fc1.weight.std().item() == pytest.approx(std, rel=0.1)


# ---- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize('backbone', [dict(final_norm=False), dict(with_cls_token=False)])
def test_cae__rejects_an_encoder_that_needs_the_whole_map(backbone):
    with pytest.raises(ValueError, match='visible patches'):
        build(backbone=backbone)


def test_cae__rejects_an_unknown_start():
    with pytest.raises(ValueError, match="linear_init='kaiming': must be one of"):
        build(linear_init='kaiming')


def test_cae__rejects_a_target_view_of_another_grid():
    view = torch.randn(2, 3, SIDE, SIDE)
    with pytest.raises(ValueError, match='64 targets for 16 patches'):
        build().loss([view, view])


def test_cae__rejects_a_mask_of_another_grid():
    with pytest.raises(ValueError, match=r'mask has the shape \(2, 9\)'):
        build().loss(torch.zeros(2, 3, SIDE, SIDE), mask=torch.ones(2, 9))
