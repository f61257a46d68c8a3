import pytest
import torch
from timm.layers import RelPosBias as TimmRelPosBias

from mae_transfer.layers.rel_pos import (
    RelPosBias,
    rel_pos_table_rows,
    resize_rel_pos_table,
    table_bias,
)
from tests.references.rel_pos_table import naive_resize_table, naive_table_bias


@pytest.mark.parametrize('with_cls', [False, True])
@pytest.mark.parametrize('grid', [(3, 4), (4, 2), (1, 3), (1, 1)])
def test_table_bias__equals_naive(grid, with_cls):
    table = torch.randn(rel_pos_table_rows(grid, int(with_cls)), 2)
    got = table_bias(table, grid, grid, int(with_cls))[0]
    torch.testing.assert_close(got, naive_table_bias(table, grid, with_cls), rtol=0, atol=0)


def test_table_bias__equals_timm():
    theirs = TimmRelPosBias((3, 5), num_heads=2, prefix_tokens=1)
    torch.nn.init.normal_(theirs.relative_position_bias_table)
    ours = RelPosBias(2, (3, 5), num_prefix_tokens=1)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours((3, 5)), theirs.get_bias(), rtol=0, atol=0)


@pytest.mark.parametrize('rows', [(14, 0, 729), (14, 1, 732), (32, 1, 3972), (40, 1, 6244)])
def test_rel_pos_table_rows__published_shapes(rows):
    side, num_prefix_tokens, expected = rows
    assert rel_pos_table_rows((side, side), num_prefix_tokens) == expected


def test_table_bias__gradient_counts_the_pairs_of_a_distance():
    """d(sum of the bias) / d(entry) = pairs at that distance = (h - |dr|) * (w - |dc|)."""
    table = torch.zeros(rel_pos_table_rows((3, 4), 1), 2, requires_grad=True)
    table_bias(table, (3, 4), (3, 4), 1).sum().backward()
    expected = [(3 - abs(r)) * (4 - abs(c)) for r in range(-2, 3) for c in range(-3, 4)]
    expected = torch.tensor([*expected, 12, 12, 1]).float()
    torch.testing.assert_close(table.grad, expected[:, None].expand(-1, 2))


@pytest.mark.parametrize(
    ('source', 'target'),
    [
        ((3, 4), (5, 9)),
        ((7, 7), (14, 14)),
        ((4, 5), (3, 3)),
        ((4, 4), (4, 6)),
        ((14, 14), (32, 9)),
    ],
)
def test_resize_rel_pos_table__equals_a_spline_per_head(source, target):
    table = torch.randn(rel_pos_table_rows(source), 2)
    torch.testing.assert_close(
        resize_rel_pos_table(table, source, target),
        naive_resize_table(table, source, target),
        rtol=1e-4,
        atol=1e-5,
    )


def test_resize_rel_pos_table__keeps_the_class_rows_and_near_distances():
    """The first step of the progression is 1: distances of 0 and 1 keep their bias."""
    table = torch.randn(rel_pos_table_rows((5, 5), 1), 3)
    resized = resize_rel_pos_table(table, (5, 5), (9, 9), 1)
    assert resized.shape == (rel_pos_table_rows((9, 9), 1), 3)
    torch.testing.assert_close(resized[-3:], table[-3:], rtol=0, atol=0)
    near = table[:-3].reshape(9, 9, 3)[3:6, 3:6]
    torch.testing.assert_close(resized[:-3].reshape(17, 17, 3)[7:10, 7:10], near)


@pytest.mark.parametrize('source', [(1, 1), (2, 2), (1, 5)])
@pytest.mark.parametrize('target', [(1, 1), (3, 4), (1, 7)])
def test_resize_rel_pos_table__a_constant_stays_constant(source, target):
    table = torch.full((rel_pos_table_rows(source), 2), 1.5)
    resized = resize_rel_pos_table(table, source, target)
    torch.testing.assert_close(resized, torch.full((rel_pos_table_rows(target), 2), 1.5))


def test_resize_rel_pos_table__is_exact_under_autocast_and_lets_gradients_flow():
    table = torch.randn(rel_pos_table_rows((3, 3)), 2, requires_grad=True)
    expected = resize_rel_pos_table(table, (3, 3), (4, 5))
    with torch.autocast('cpu', torch.bfloat16):
        resized = resize_rel_pos_table(table, (3, 3), (4, 5))
    torch.testing.assert_close(resized, expected, rtol=0, atol=0)
    resized.square().sum().backward()
    assert table.grad.isfinite().all() and table.grad.abs().min() > 0


def test_table_bias__gradients_add_up_in_the_dtype_of_the_table():
    """324 pairs at distance 0: bfloat16, with 8 bits, would stop counting at 256."""
    table = torch.zeros(rel_pos_table_rows((18, 18)), 1, requires_grad=True)
    bias = table_bias(table, (18, 18), (18, 18), dtype=torch.bfloat16)
    assert bias.dtype == torch.bfloat16
    bias.sum().backward()
    assert table.grad.dtype == torch.float32
    assert table.grad.max() == 18 * 18


def test_resize_rel_pos_table__same_grid_is_the_table_itself():
    table = torch.randn(rel_pos_table_rows((2, 3), 1), 2)
    assert resize_rel_pos_table(table, (2, 3), (2, 3), 1) is table


def test_resize_rel_pos_table__rejects_another_grid():
    with pytest.raises(ValueError, match='source_grid=3x2 with 0 prefix tokens needs 15 rows'):
        resize_rel_pos_table(torch.zeros(25, 2), (3, 2), (4, 4))
