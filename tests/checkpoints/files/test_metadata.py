import json

import pytest

from mae_transfer.checkpoints.files.metadata import check_metadata
from tests.references.checkpoint_files import make_vit


def test_check_metadata__what_we_write_passes():
    check_metadata(make_vit().metadata())
    check_metadata(json.loads(json.dumps(make_vit(img_size=(16, 64)).metadata())))


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
