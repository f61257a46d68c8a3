import json

import pytest

import mae_transfer
from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.transfer.encoder_metadata import encoder_metadata
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
        layer_scale=True,
    )


@pytest.mark.parametrize(
    'pos_embed, order',
    [('sincos_xy', 'xy'), ('sincos_yx', 'yx'), ('learned', 'learned'), (None,) * 2],
)
def test_encoder_metadata__order_of_the_positions(pos_embed, order):
    vit = PlainViT(ARCH, img_size=(24, 32), patch_size=8, pos_embed=pos_embed)
    assert encoder_metadata(vit)['pos_order'] == order
