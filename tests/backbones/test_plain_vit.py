import json

import pytest
import timm
import torch

import mae_transfer
from mae_transfer.backbones import PlainViT
from mae_transfer.backbones.arch import ARCHS
from tests.support.weights import randomize

TINY = dict(embed_dims=32, num_layers=2, num_heads=2)
TABLE = 'relative_position_bias_table'


def tiny(**changes) -> PlainViT:
    return PlainViT(**{'arch': TINY, 'img_size': 32, 'patch_size': 8, **changes})


@pytest.mark.parametrize('out_type, name', [('tokens', 'token'), ('cls', 'token'), ('avg', 'avg')])
def test_plain_vit__features_equal_timm(out_type, name):
    theirs = timm.create_model(
        'vit_tiny_patch16_224',
        img_size=(32, 48),
        embed_dim=32,
        depth=3,
        num_heads=2,
        num_classes=0,
        global_pool=name,
    )
    theirs = randomize(theirs).eval()
    ours = PlainViT(
        dict(embed_dims=32, num_layers=3, num_heads=2), (32, 48), out_type=out_type
    ).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 32, 48)
    expected = theirs.forward_features(images) if out_type == 'tokens' else theirs(images)
    torch.testing.assert_close(ours(images)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('class_token', [True, False])
def test_plain_vit__register_tokens_equal_timm(class_token):
    """DINOv2's order: class token, registers, patches; registers have no position."""
    theirs = timm.models.vision_transformer.VisionTransformer(
        img_size=(32, 48),
        patch_size=8,
        embed_dim=32,
        depth=2,
        num_heads=2,
        num_classes=0,
        init_values=1.0,
        reg_tokens=3,
        class_token=class_token,
        no_embed_class=True,
        global_pool='token' if class_token else 'avg',
        fc_norm=False,
    )
    theirs = randomize(theirs).eval()
    ours = tiny(
        img_size=(32, 48),
        with_cls_token=class_token,
        num_register_tokens=3,
        cls_pos_embed=False,
        layer_scale_init=1.0,
        out_type='tokens',
    ).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 32, 48)
    expected = theirs.forward_features(images)
    torch.testing.assert_close(ours(images)[0], expected, rtol=1e-5, atol=1e-5)
    ours.out_type = 'featmap'
    patches = expected[:, 3 + class_token :].transpose(1, 2).reshape(2, 32, 4, 6)
    torch.testing.assert_close(ours(images)[0], patches, rtol=1e-5, atol=1e-5)
    assert ours.get_layer_depth('reg_token') == (0, 4)
    assert 'reg_token' in ours.no_weight_decay()


def test_plain_vit__register_tokens_are_frozen_with_the_embeddings():
    vit = tiny(num_register_tokens=2, frozen_stages=0)
    assert not vit.reg_token.requires_grad and not vit.cls_token.requires_grad


def test_plain_vit__intermediate_maps_equal_timm():
    theirs = timm.create_model(
        'vit_tiny_patch16_224', img_size=(32, 48), embed_dim=32, depth=3, num_heads=2, num_classes=0
    )
    theirs = randomize(theirs).eval()
    ours = PlainViT(
        dict(embed_dims=32, num_layers=3, num_heads=2),
        (32, 48),
        out_indices=(0, 2),
        final_norm=False,
    ).eval()
    ours.load_state_dict({k: v for k, v in theirs.state_dict().items() if k not in NORM})
    images = torch.randn(2, 3, 32, 48)
    expected = theirs.forward_intermediates(
        images, indices=[0, 2], norm=False, output_fmt='NCHW', intermediates_only=True
    )
    for got, wanted in zip(ours(images), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


NORM = ('norm.weight', 'norm.bias')
PARAMETERS = {  # recipes of the paper's code: encoder with the frozen position table
    'small': 21_665_664,
    'base': 85_798_656,
    'large': 303_301_632,
}


@pytest.mark.parametrize('arch', PARAMETERS)
def test_plain_vit__published_parameter_counts(arch):
    with torch.device('meta'):
        vit = PlainViT(arch)
    assert sum(p.numel() for p in vit.parameters()) == PARAMETERS[arch]


def test_plain_vit__huge_has_the_published_parameter_count():
    with torch.device('meta'):
        vit = PlainViT('huge', patch_size=14)
    assert sum(p.numel() for p in vit.parameters()) == 630_764_800


@pytest.mark.parametrize('size', [(32, 32), (40, 64), (33, 47), (8, 8)])
@pytest.mark.parametrize('windows', [False, True])
def test_plain_vit__any_size_passes(size, windows):
    extra = dict(with_cls_token=False, window_size=3, global_blocks=[1], rel_pos=True)
    vit = tiny(out_indices=(0, 1), **(extra if windows else {})).eval()
    maps = vit(torch.randn(2, 3, *size))
    expected = (2, 32, -(-size[0] // 8), -(-size[1] // 8))
    assert [m.shape for m in maps] == [expected, expected]


def test_plain_vit__transposed_image_gives_transposed_map_only_with_transposed_positions():
    """Swapping the axes of a table would go unnoticed by shapes on a square grid."""
    vit = randomize(tiny(patch_size=1, img_size=(4, 4))).eval()
    vit.double()
    x = torch.randn(1, 3, 4, 4, dtype=torch.double)
    plain = vit(x)[0]
    with torch.no_grad():
        table = vit.pos_embed[:, 1:].reshape(1, 4, 4, 32).transpose(1, 2).reshape(1, 16, 32)
        assert not torch.allclose(vit(x.transpose(2, 3))[0], plain.transpose(2, 3))
        vit.pos_embed[:, 1:] = table
    torch.testing.assert_close(vit(x.transpose(2, 3))[0], plain.transpose(2, 3))


# ---- relative position


@pytest.mark.parametrize('size', [(32, 32), (40, 64), (33, 47), (8, 8)])
@pytest.mark.parametrize('rel_pos', ['table', 'shared_table'])
@pytest.mark.parametrize('with_cls', [False, True])
def test_plain_vit__tables_take_any_size(size, rel_pos, with_cls):
    vit = randomize(tiny(rel_pos=rel_pos, with_cls_token=with_cls)).eval()
    (map_,) = vit(torch.randn(2, 3, *size))
    assert map_.shape == (2, 32, -(-size[0] // 8), -(-size[1] // 8)) and map_.isfinite().all()


WINDOWS = dict(with_cls_token=False, window_size=3)


@pytest.mark.parametrize(
    ('changes', 'names'),
    [
        (dict(rel_pos='table'), {f'blocks.{i}.attn.{TABLE}': (52, 2) for i in range(2)}),
        (dict(rel_pos='shared_table'), {f'rel_pos_bias.{TABLE}': (52, 2)}),
        (
            dict(WINDOWS, rel_pos='shared_table', global_blocks=[1]),
            {f'rel_pos_bias.{TABLE}': (49, 2), f'rel_pos_bias_window.{TABLE}': (25, 2)},
        ),
        (dict(WINDOWS, rel_pos='shared_table'), {f'rel_pos_bias_window.{TABLE}': (25, 2)}),
        (
            dict(WINDOWS, rel_pos='table', global_blocks=[1]),
            {f'blocks.0.attn.{TABLE}': (25, 2), f'blocks.1.attn.{TABLE}': (49, 2)},
        ),
    ],
)
def test_plain_vit__tables_have_names_shape_and_depth_of_beit(changes, names):
    """A table of a block has its depth, a shared one that of the heads; all start at zero."""
    vit, plain = tiny(**changes), tiny(with_cls_token=changes.get('with_cls_token', True))
    tables = {k: v for k, v in vit.state_dict().items() if k not in plain.state_dict()}
    assert {name: tuple(table.shape) for name, table in tables.items()} == names
    for name, table in tables.items():
        assert not table.any()
        expected = int(name.split('.')[1]) + 1 if name.startswith('blocks') else 3
        assert vit.get_layer_depth('backbone.' + name, 'backbone.') == (expected, 4)


@pytest.mark.parametrize('rel_pos', ['decomposed', 'table', 'shared_table'])
def test_plain_vit__zero_tables_change_nothing(rel_pos):
    """A map of 5 x 7 patches in windows of 3, and a global block."""
    vit, plain = (
        tiny(rel_pos=rel_pos, **WINDOWS, global_blocks=[1]),
        tiny(**WINDOWS, global_blocks=[1]),
    )
    plain.load_state_dict({k: v for k, v in vit.state_dict().items() if 'rel' not in k})
    x = torch.randn(2, 3, 40, 56)
    torch.testing.assert_close(vit(x)[0], plain(x)[0])


@pytest.mark.parametrize('changes', [{}, dict(WINDOWS, global_blocks=[1, 3])])
def test_plain_vit__shared_tables_equal_the_same_table_in_each_block(changes):
    """At a size that needs interpolation; their gradient is the sum of those of the blocks."""
    changes = dict(changes, arch=dict(TINY, num_layers=4))
    shared = randomize(tiny(rel_pos='shared_table', **changes))
    own = tiny(rel_pos='table', **changes)
    state = {k: v for k, v in shared.state_dict().items() if not k.startswith('rel_pos')}
    tables, users = {}, {}
    for i, block in enumerate(own.blocks):
        name = 'rel_pos_bias_window' if block.window_size else 'rel_pos_bias'
        tables[name] = getattr(getattr(shared, name), TABLE)
        users.setdefault(name, []).append(block)
        state[f'blocks.{i}.attn.{TABLE}'] = tables[name]
    own.load_state_dict(state)
    x = torch.randn(2, 3, 40, 56)
    outputs = [vit(x)[0] for vit in (shared, own)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().mean().backward()
    for name, table in tables.items():
        total = sum(getattr(block.attn, TABLE).grad for block in users[name])
        torch.testing.assert_close(table.grad, total, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('rel_pos', ['decomposed', 'table', 'shared_table'])
def test_plain_vit__transposed_image_gives_transposed_map_with_transposed_tables(rel_pos):
    """No absolute positions and H != W: only the tables know rows from columns."""
    changes = dict(arch=TINY, patch_size=1, pos_embed=None, with_cls_token=False, rel_pos=rel_pos)
    vit = randomize(PlainViT(img_size=(3, 4), **changes)).double()
    turned = PlainViT(img_size=(4, 3), **changes).double()
    state = {}
    for name, value in vit.state_dict().items():
        if name.endswith(TABLE):
            value = value.reshape(5, 7, 2).transpose(0, 1).reshape(35, 2)
        if name.endswith(('rel_pos_h', 'rel_pos_w')):
            name = name[:-1] + {'h': 'w', 'w': 'h'}[name[-1]]
        state[name] = value
    turned.load_state_dict(state)
    x = torch.randn(2, 3, 3, 4, dtype=torch.double)
    torch.testing.assert_close(turned(x.transpose(2, 3))[0], vit(x)[0].transpose(2, 3))


@pytest.mark.parametrize('name', ['MAE', 'BEiT'])
def test_plain_vit__tables_equal_mmsegmentation(name):
    from mmseg.models import backbones

    theirs = getattr(backbones, name)(
        img_size=(48, 48),
        patch_size=16,
        embed_dims=32,
        num_layers=3,
        num_heads=2,
        out_indices=(0, 2),
        init_values=0.5,
        norm_cfg=dict(type='LN', eps=1e-6),
    )
    randomize(theirs).eval()
    ours = PlainViT(
        dict(embed_dims=32, num_layers=3, num_heads=2),
        48,
        pos_embed='learned' if name == 'MAE' else None,
        qkv_bias=True if name == 'MAE' else 'no-key',
        rel_pos='table',
        layer_scale_init=1.0,
        out_indices=(0, 2),
        final_norm=False,
    ).eval()
    renames = {
        'patch_embed.projection': 'patch_embed.proj',
        'layers.': 'blocks.',
        '.ln': '.norm',
        'ffn.blocks.0.0': 'mlp.fc1',
        'ffn.blocks.1': 'mlp.fc2',
        'gamma_1': 'ls1.gamma',
        'gamma_2': 'ls2.gamma',
    }
    state = {}
    for key, value in theirs.state_dict().items():
        for old, new in renames.items():
            key = key.replace(old, new)
        if not key.endswith('relative_position_index'):
            state[key] = value
    ours.load_state_dict(state)
    x = torch.randn(2, 3, 48, 48)
    for got, wanted in zip(ours(x), theirs(x), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


def test_plain_vit__tables_at_1024_pixels():
    """Windows of 14 on 64 x 64 patches; global blocks see all of them."""
    with torch.device('meta'):
        vit = PlainViT(
            'base',
            1024,
            pretrain_img_size=224,
            with_cls_token=False,
            window_size=14,
            global_blocks=(2, 5, 8, 11),
            rel_pos='shared_table',
        )
    assert getattr(vit.rel_pos_bias_window, TABLE).shape == (27 * 27, 12)
    assert getattr(vit.rel_pos_bias, TABLE).shape == (127 * 127, 12)


@pytest.mark.parametrize('rel_pos', ['decomposed', 'table', 'shared_table'])
def test_plain_vit__windows_of_14_on_64_patches_equal_padded_ones(rel_pos):
    """A map of 70 x 70 whose last rows and columns are zero behind the first norm: one block."""
    vit = randomize(
        tiny(
            arch=dict(TINY, num_layers=1),
            img_size=64,
            patch_size=1,
            pos_embed=None,
            with_cls_token=False,
            window_size=14,
            rel_pos=rel_pos,
            final_norm=False,
        )
    ).eval()
    tokens = vit.patch_embed(torch.randn(1, 3, 64, 64)).flatten(2).transpose(1, 2)
    (block,) = vit.blocks
    normed = block.norm1(tokens).reshape(1, 64, 64, 32)
    padded = torch.nn.functional.pad(normed, (0, 0, 0, 6, 0, 6))
    bias = vit.shared_bias(tokens, (64, 64)).get(14)
    attended = torch.zeros(1, 70, 70, 32)
    for top in range(0, 70, 14):
        for left in range(0, 70, 14):
            window = padded[:, top : top + 14, left : left + 14].reshape(1, 196, 32)
            seen = block.attn(window, (14, 14), bias).reshape(1, 14, 14, 32)
            attended[:, top : top + 14, left : left + 14] = seen
    expected = tokens + attended[:, :64, :64].reshape(1, 4096, 32)
    expected = expected + block.mlp(block.norm2(expected))
    torch.testing.assert_close(block(tokens, (64, 64), bias), expected)


def test_plain_vit__smaller_stored_grid_is_interpolated_in_each_forward():
    vit = randomize(tiny(img_size=64, pretrain_img_size=32)).eval()
    assert vit.pos_embed.shape == (1, 17, 32) and vit.pos_grid == (4, 4)
    large = randomize(tiny(img_size=64)).eval()
    state = dict(vit.state_dict())
    state['pos_embed'] = torch.cat([vit.pos_embed[:, :1], vit.patch_positions((8, 8))], dim=1)
    large.load_state_dict(state)
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(vit(x)[0], large(x)[0])


@pytest.mark.parametrize('rel_pos', ['decomposed', 'table', 'shared_table'])
def test_plain_vit__recomputed_activations_give_the_same_gradients(rel_pos):
    gradients = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        vit = tiny(with_cp=with_cp, with_cls_token=False, window_size=2, rel_pos=rel_pos)
        vit(torch.ones(1, 3, 32, 40))[0].square().sum().backward()
        gradients.append({n: p.grad for n, p in vit.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


@pytest.mark.parametrize('rel_pos', [False, 'table', 'shared_table'])
def test_plain_vit__every_parameter_learns(rel_pos):
    vit = randomize(tiny(layer_scale_init=0.1, qkv_bias='no-key', rel_pos=rel_pos))
    vit(torch.randn(2, 3, 32, 32))[0].square().sum().backward()
    for name, parameter in vit.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        assert parameter.grad.isfinite().all(), name


def test_plain_vit__stochastic_depth_grows_linearly():
    vit = PlainViT(dict(TINY, num_layers=5), 32, 8, drop_path_rate=0.4)
    rates = [getattr(block.drop_path1, 'drop_prob', 0.0) for block in vit.blocks]
    assert rates == [getattr(block.drop_path2, 'drop_prob', 0.0) for block in vit.blocks]
    torch.testing.assert_close(torch.tensor(rates), torch.tensor([0, 0.1, 0.2, 0.3, 0.4]))


@pytest.mark.parametrize(
    'stages, frozen_blocks, norm', [(-1, 0, 0), (0, 0, 0), (1, 1, 0), (2, 2, 1)]
)
def test_plain_vit__frozen_stages(stages, frozen_blocks, norm):
    vit = tiny(frozen_stages=stages, drop_path_rate=0.5, rel_pos='shared_table').train()
    for name, parameter in vit.named_parameters():
        depth, _ = vit.get_layer_depth(name)
        frozen = depth <= frozen_blocks if stages >= 0 else False
        if name.startswith(('norm.', 'rel_pos_bias.')):
            frozen = bool(norm)
        assert parameter.requires_grad is not frozen, name
    assert [block.training for block in vit.blocks] == [i >= stages for i in range(2)]


def test_plain_vit__depth_of_every_parameter():
    vit = tiny(layer_scale_init=1.0)
    for name in vit.state_dict():
        depth, total = vit.get_layer_depth('backbone.' + name, 'backbone.')
        if name.split('.')[0] in ('cls_token', 'pos_embed', 'patch_embed'):
            expected = 0
        elif name.startswith('blocks.'):
            expected = int(name.split('.')[1]) + 1
        else:
            expected = 3
        assert (depth, total) == (expected, 4), name
    assert vit.get_layer_depth('neck.blocks.0.weight', 'backbone.') == (3, 4)
    assert vit.no_weight_decay() == {'pos_embed', 'cls_token'}
    assert tiny(with_cls_token=False).no_weight_decay() == {'pos_embed'}


def test_plain_vit__final_norm_applies_to_the_last_block_only():
    vit = randomize(tiny(out_indices=(0, 1))).eval()
    bare = tiny(out_indices=(0, 1), final_norm=False).eval()
    bare.load_state_dict({k: v for k, v in vit.state_dict().items() if k not in NORM})
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(vit(x)[0], bare(x)[0])
    normed = vit.norm(bare(x)[1].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(vit(x)[1], normed)


@pytest.mark.parametrize(
    'changes, match',
    [
        (dict(arch='giant'), "arch='giant'"),
        (dict(arch=dict(embed_dims=8)), 'needs the keys'),
        (dict(arch=dict(TINY, width=3)), 'mlp_ratio'),
        (dict(img_size=(32, 32, 3)), 'img_size'),
        (dict(patch_size=0), 'patch_size=0'),
        (dict(pos_embed='sine'), "pos_embed='sine'"),
        (dict(pos_embed=None, freeze_pos_embed=True), 'freeze_pos_embed'),
        (dict(out_type='map'), "out_type='map'"),
        (dict(out_type='cls', with_cls_token=False), 'with_cls_token'),
        (dict(out_type='avg', out_indices=(0, 1)), "out_type='avg'"),
        (dict(window_size=4), 'with_cls_token=False'),
        (dict(num_register_tokens=-1), 'num_register_tokens=-1'),
        (dict(num_register_tokens=4, rel_pos='table'), 'num_register_tokens=4 cannot be combined'),
        (dict(rel_pos=True), 'with_cls_token=False'),
        (dict(rel_pos='tables'), "rel_pos='tables'"),
        (dict(rel_pos='shared_table', window_size=2), 'with_cls_token=False'),
        (dict(with_cls_token=False, global_blocks=[1]), 'window_size > 0'),
        (dict(out_indices=(0, 2)), 'blocks 0 to 1'),
        (dict(out_indices=(1, 0)), 'ascend'),
        (dict(drop_path_rate=1.0), 'drop_path_rate'),
        (dict(frozen_stages=3), 'frozen_stages=3'),
        (dict(frozen_stages=0.5), 'frozen_stages=0.5'),
        (dict(trainable_blocks=3), 'trainable_blocks=3'),
        (dict(trainable_blocks=0.25), 'trainable_blocks=0.25'),
        (dict(trainable_blocks=1, frozen_stages=1), 'give one of them'),
    ],
)
def test_plain_vit__rejects(changes, match):
    with pytest.raises(ValueError, match=match):
        tiny(**changes)


def test_plain_vit__rejects_images_of_other_channels():
    with pytest.raises(ValueError, match='in_channels'):
        tiny()(torch.zeros(1, 4, 32, 32))


def test_archs__have_the_published_sizes():
    """DeiT's tiny and small, ViT's base, large and huge: width, blocks, heads."""
    sizes = {name: tuple(arch.values()) for name, arch in ARCHS.items()}
    assert sizes == {
        'tiny': (192, 12, 3),
        'small': (384, 12, 6),
        'base': (768, 12, 12),
        'large': (1024, 24, 16),
        'huge': (1280, 32, 16),
    }
    assert all(list(a) == ['embed_dims', 'num_layers', 'num_heads'] for a in ARCHS.values())


def test_plain_vit__ratio_of_the_mlp():
    assert tiny().blocks[1].mlp.fc1.out_features == 4 * 32
    assert tiny(arch=dict(TINY, mlp_ratio=3)).blocks[1].mlp.fc1.out_features == 3 * 32


def test_plain_vit__stores_positions_for_partial_patches():
    vit = tiny(img_size=(33, 47), pos_embed='learned')
    assert vit.pos_grid == (5, 6)
    assert vit.pos_embed.shape == (1, 1 + 5 * 6, 32)


@pytest.mark.parametrize('out_type', ['featmap', 'avg'])
def test_plain_vit__epsilon_of_every_norm(out_type):
    for changes, eps in ((dict(norm_eps=1e-3), 1e-3), ({}, 1e-6)):
        vit = tiny(out_type=out_type, **changes)
        found = [m.eps for m in vit.modules() if isinstance(m, torch.nn.LayerNorm)]
        assert found == [eps] * 5


def test_plain_vit__starts_as_vit_does():
    """Tokens, positions and linear layers normal with std .02, biases zero."""
    vit = PlainViT(dict(TINY, embed_dims=256), 128, 8, num_register_tokens=8, rel_pos=False)
    tensors = [vit.cls_token, vit.reg_token, vit.pos_embed]
    tensors += [m.weight for m in vit.blocks.modules() if isinstance(m, torch.nn.Linear)]
    for tensor in tensors:
        assert tensor.std().item() == pytest.approx(0.02, rel=0.2)
        assert abs(tensor.mean().item()) < 4 * 0.02 / tensor.numel() ** 0.5
    for module in vit.blocks.modules():
        if isinstance(module, torch.nn.Linear):
            assert not module.bias.any()


def test_plain_vit__linear_layers_may_start_as_pytorchs():
    torch.manual_seed(0)
    vit = PlainViT(dict(TINY, embed_dims=256), 32, 8, linear_init='torch')
    for module in vit.blocks.modules():
        if isinstance(module, torch.nn.Linear):  # uniform within 1 / sqrt(inputs)
            bound = module.in_features**-0.5
            assert module.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
            assert module.bias.any()


@pytest.mark.parametrize('training', [True, False])
def test_plain_vit__recomputes_activations_in_training_only(training):
    """Each block runs once more in the backward pass."""
    vit, runs = tiny(with_cp=True).train(training), []
    for block in vit.blocks:
        block.attn.register_forward_hook(lambda *_: runs.append(1))
    vit(torch.randn(1, 3, 32, 32))[0].sum().backward()
    assert len(runs) == (4 if training else 2)


# ---- what checkpoints state ------------------------------------------------------------------


def test_metadata__facts_in_plain_containers():
    facts = tiny(img_size=(24, 56), norm_eps=1e-5, layer_scale_init=0.1).metadata()
    assert json.loads(json.dumps(facts)) == facts
    assert facts == dict(
        version=mae_transfer.__version__,
        embed_dims=32,
        num_layers=2,
        num_heads=2,
        norm_eps=1e-5,
        in_channels=3,
        patch_size=[8, 8],
        img_size=[24, 56],
        pos_grid=[3, 7],
        num_prefix_tokens=1,
        pos_order='learned',
        act='gelu',
        layer_scale=True,
    )


@pytest.mark.parametrize(
    'pos_embed, order',
    [('sincos_xy', 'xy'), ('sincos_yx', 'yx'), ('learned', 'learned'), (None, None)],
)
def test_metadata__order_of_the_positions(pos_embed, order):
    assert tiny(img_size=(24, 32), pos_embed=pos_embed).metadata()['pos_order'] == order


def test_metadata__table_of_a_sharded_encoder_is_given_apart():
    vit = tiny(img_size=(24, 32), pos_embed='sincos_yx')
    table = vit.pos_embed.data.clone()
    vit.pos_embed.data.zero_()
    assert vit.metadata()['pos_order'] == 'learned'
    assert vit.metadata(table)['pos_order'] == 'yx'
