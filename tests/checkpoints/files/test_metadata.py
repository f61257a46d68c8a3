import json

import pytest

import mae_transfer
from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.files.metadata import (
    check_metadata,
    encoder_metadata,
    sincos_orders,
)
from tests.references.checkpoint_files import ARCH, make_vit


def test_encoder_metadata__facts():
    vit = make_vit(img_size=(24, 56), norm_eps=1e-5, layer_scale_init=0.1)
    facts = encoder_metadata(vit)
    assert json.loads(json.dumps(facts)) == facts
    assert facts == dict(
        version=mae_transfer.__version__,
        embed_dims=32,
        num_layers=2,
        num_heads=4,
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
    [('sincos_xy', 'xy'), ('sincos_yx', 'yx'), ('learned', 'learned'), (None,) * 2],
)
def test_encoder_metadata__order_of_the_positions(pos_embed, order):
    vit = PlainViT(ARCH, img_size=(24, 32), patch_size=8, pos_embed=pos_embed)
    assert encoder_metadata(vit)['pos_order'] == order


def test_encoder_metadata__table_of_a_sharded_encoder_is_given_apart():
    vit = PlainViT(ARCH, img_size=(24, 32), patch_size=8, pos_embed='sincos_yx')
    table = vit.pos_embed.data.clone()
    vit.pos_embed.data.zero_()
    assert encoder_metadata(vit)['pos_order'] == 'learned'
    assert encoder_metadata(vit, table)['pos_order'] == 'yx'


def test_sincos_orders__one_patch_fits_both_orders():
    vit = PlainViT(ARCH, img_size=8, patch_size=8, pos_embed='sincos_xy')
    assert sincos_orders(vit.pos_embed, (1, 1)) == ('xy', 'yx')


@pytest.mark.parametrize('order', ['xy', 'yx'])
def test_sincos_orders__tables_of_half_precision(order):
    table = PlainViT(ARCH, img_size=112, patch_size=8, pos_embed=f'sincos_{order}').pos_embed
    assert sincos_orders(table.detach().half(), (14, 14)) == (order,)


def test_check_metadata__what_we_write_passes():
    check_metadata(encoder_metadata(make_vit()))
    check_metadata(json.loads(json.dumps(encoder_metadata(make_vit(img_size=(16, 64))))))


@pytest.mark.parametrize(
    'block, words',
    [
        ('num_heads=6', 'the metadata is a str, not a dict'),
        (dict(num_heads='six'), "num_heads='six': must be a positive int"),
        (dict(num_heads=True), 'num_heads=True'),
        (dict(num_heads=0), 'num_heads=0'),
        (dict(num_layers=10**9), 'num_layers=1000000000'),
        (dict(norm_eps=-1e-6), r'norm_eps=-1e-06: must be a float in \(0, 1\)'),
        (dict(pos_grid=[14]), r'pos_grid=\[14\]: must be two positive ints, rows first'),
        (dict(pos_grid=[[14, 14], 2]), 'pos_grid='),
        (dict(pos_order='xz'), "pos_order='xz': must be xy, yx, learned or None"),
        (dict(pos_order=['xy']), 'pos_order='),
        (dict(layer_scale=1), 'layer_scale=1: must be True or False'),
        (dict(embed_dims=32, num_heads=5), 'num_heads=5, which does not divide 32'),
    ],
)
def test_check_metadata__what_cannot_be_true(block, words):
    with pytest.raises(ValueError, match=words):
        check_metadata(block)
