import pytest
import torch
from torch.testing import assert_close

from mae_transfer.checkpoints.fit.rel_pos import find_table_grid, fit_rel_pos
from mae_transfer.layers.rel_pos import resize_rel_pos_table
from tests.references.checkpoint_files import make_vit

TABLE = 'blocks.{}.attn.relative_position_bias_table'


def words_of(steps):
    return [step.words for step in steps]


@pytest.mark.parametrize(
    'rows, target, stated, expected',
    [
        (732, (32, 32), None, ((14, 14), 1)),  # BEiT at 224 pixels: 27 * 27 + 3
        (729, (32, 32), None, ((14, 14), 0)),
        (5 * 13 + 3, (3, 7), None, ((3, 7), 1)),  # the encoder's own window
        (5 * 13, (4, 4), (3, 7), ((3, 7), 0)),  # a stated one
        (5 * 13, (7, 3), (3, 7), ((3, 7), 0)),  # before an own one with as many rows
        (49, (3, 7), (5, 5), ((4, 4), 0)),  # 7 * 7, whatever is stated
    ],
)
def test_find_table_grid__from_rows(rows, target, stated, expected):
    assert find_table_grid('t', rows, target, stated) == expected


def test_find_table_grid__no_window_at_all():
    with pytest.raises(ValueError, match='t of the file has 50 rows, which match no square window'):
        find_table_grid('t', 50, (14, 14))


def test_fit_rel_pos__windows_and_global_blocks_get_their_own_sizes():
    """Tables of 4x4 with class rows -> windows of 3, a global block of 3x7, no class token."""
    source = make_vit(rel_pos='table')
    tensors = {
        n: torch.randn_like(t) for n, t in source.state_dict().items() if n.endswith('table')
    }
    plain = dict(with_cls_token=False, rel_pos='table', window_size=3, global_blocks=(1,))
    fitted, steps = fit_rel_pos(tensors, make_vit(img_size=(24, 56), **plain))
    resized = {name: one for step in steps for name, one in step.resized.items()}
    for i, grid in enumerate([(3, 3), (3, 7)]):
        expected = resize_rel_pos_table(tensors[TABLE.format(i)], (4, 4), grid, 1)[:-3]
        assert_close(fitted[TABLE.format(i)], expected, atol=0, rtol=0)
        assert resized[TABLE.format(i)].old == (52, 4)
    assert words_of(steps) == [
        f"rel_pos tables 1: 4x4 -> {grid} on BEiT's geometric progression, without the rows of the "
        'class token'
        for grid in ('3x3', '3x7')
    ]


def test_fit_rel_pos__class_rows_start_at_zero():
    tensors = {TABLE.format(i): torch.randn(49, 4) for i in range(2)}
    fitted, steps = fit_rel_pos(tensors, make_vit(rel_pos='table'))
    assert_close(fitted[TABLE.format(1)][:49], tensors[TABLE.format(1)], atol=0, rtol=0)
    assert not fitted[TABLE.format(1)][49:].any()
    assert words_of(steps) == ['rel_pos tables 2: with zero rows for the class token']


def test_fit_rel_pos__one_shared_table_for_all_and_for_windows():
    table = torch.randn(49, 4)
    plain = dict(with_cls_token=False, rel_pos='shared_table', window_size=2, global_blocks=(1,))
    fitted, steps = fit_rel_pos(
        {'rel_pos_bias.relative_position_bias_table': table}, make_vit(**plain)
    )
    assert_close(fitted['rel_pos_bias.relative_position_bias_table'], table, atol=0, rtol=0)
    window = fitted['rel_pos_bias_window.relative_position_bias_table']
    assert_close(window, resize_rel_pos_table(table, (4, 4), (2, 2)), atol=0, rtol=0)
    assert steps[0].words == 'shared rel_pos table copied: 1'


def test_fit_rel_pos__same_windows_stay_bit_for_bit():
    vit = make_vit(rel_pos='table')
    tensors = {n: torch.randn_like(t) for n, t in vit.state_dict().items() if n.endswith('table')}
    fitted, steps = fit_rel_pos(tensors, vit)
    assert_close(fitted, tensors, atol=0, rtol=0)
    assert steps == []
