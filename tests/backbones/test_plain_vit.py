import pytest
import timm
import torch

from mae_transfer.backbones import PlainViT
from mae_transfer.backbones.plain_vit import ARCHS

TINY = dict(embed_dims=32, num_layers=2, num_heads=2)


def tiny(**changes) -> PlainViT:
    return PlainViT(**{'arch': TINY, 'img_size': 32, 'patch_size': 8, **changes})


def randomise(model: torch.nn.Module) -> torch.nn.Module:
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.mark.parametrize('out_type, name', [('tokens', 'token'), ('avg', 'avg')])
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
    theirs = randomise(theirs).eval()
    ours = PlainViT(
        dict(embed_dims=32, num_layers=3, num_heads=2), (32, 48), out_type=out_type
    ).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 32, 48)
    expected = theirs.forward_features(images) if out_type == 'tokens' else theirs(images)
    torch.testing.assert_close(ours(images)[0], expected, rtol=1e-5, atol=1e-5)


def test_plain_vit__intermediate_maps_equal_timm():
    theirs = timm.create_model(
        'vit_tiny_patch16_224', img_size=(32, 48), embed_dim=32, depth=3, num_heads=2, num_classes=0
    )
    theirs = randomise(theirs).eval()
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
    vit = randomise(tiny(patch_size=1, img_size=(4, 4))).eval()
    vit.double()
    x = torch.randn(1, 3, 4, 4, dtype=torch.double)
    plain = vit(x)[0]
    with torch.no_grad():
        table = vit.pos_embed[:, 1:].reshape(1, 4, 4, 32).transpose(1, 2).reshape(1, 16, 32)
        assert not torch.allclose(vit(x.transpose(2, 3))[0], plain.transpose(2, 3))
        vit.pos_embed[:, 1:] = table
    torch.testing.assert_close(vit(x.transpose(2, 3))[0], plain.transpose(2, 3))


def test_plain_vit__smaller_stored_grid_is_interpolated_in_each_forward():
    vit = randomise(tiny(img_size=64, pretrain_img_size=32)).eval()
    assert vit.pos_embed.shape == (1, 17, 32) and vit.pos_grid == (4, 4)
    large = randomise(tiny(img_size=64)).eval()
    state = dict(vit.state_dict())
    state['pos_embed'] = torch.cat([vit.pos_embed[:, :1], vit.patch_positions((8, 8))], dim=1)
    large.load_state_dict(state)
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(vit(x)[0], large(x)[0])


def test_plain_vit__recomputed_activations_give_the_same_gradients():
    gradients = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        vit = tiny(with_cp=with_cp, with_cls_token=False, window_size=2, rel_pos=True)
        vit(torch.ones(1, 3, 32, 40))[0].square().sum().backward()
        gradients.append({n: p.grad for n, p in vit.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


def test_plain_vit__every_parameter_learns():
    vit = randomise(tiny(layer_scale_init=0.1, qkv_bias='no-key', final_norm=True))
    vit(torch.randn(2, 3, 32, 32))[0].square().sum().backward()
    for name, parameter in vit.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        assert parameter.grad.isfinite().all(), name


def test_plain_vit__stochastic_depth_grows_linearly():
    vit = PlainViT(dict(TINY, num_layers=5), 32, 8, drop_path_rate=0.4)
    rates = [getattr(block.drop_path, 'drop_prob', 0.0) for block in vit.blocks]
    torch.testing.assert_close(torch.tensor(rates), torch.tensor([0, 0.1, 0.2, 0.3, 0.4]))


@pytest.mark.parametrize(
    'stages, frozen_blocks, norm', [(-1, 0, 0), (0, 0, 0), (1, 1, 0), (2, 2, 1)]
)
def test_plain_vit__frozen_stages(stages, frozen_blocks, norm):
    vit = tiny(frozen_stages=stages, drop_path_rate=0.5).train()
    for name, parameter in vit.named_parameters():
        depth, _ = vit.get_layer_depth(name)
        frozen = depth <= frozen_blocks if stages >= 0 else False
        if name.startswith('norm.'):
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
    vit = randomise(tiny(out_indices=(0, 1))).eval()
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
        (dict(rel_pos=True), 'with_cls_token=False'),
        (dict(with_cls_token=False, global_blocks=[1]), 'window_size > 0'),
        (dict(out_indices=(0, 2)), 'blocks 0 to 1'),
        (dict(out_indices=(1, 0)), 'ascend'),
        (dict(drop_path_rate=1.0), 'drop_path_rate'),
        (dict(frozen_stages=3), 'frozen_stages=3'),
    ],
)
def test_plain_vit__rejects(changes, match):
    with pytest.raises(ValueError, match=match):
        tiny(**changes)


def test_plain_vit__rejects_images_of_other_channels():
    with pytest.raises(ValueError, match='in_channels'):
        tiny()(torch.zeros(1, 4, 32, 32))


def test_archs__are_complete():
    assert set(ARCHS) == {'tiny', 'small', 'base', 'large', 'huge'}
