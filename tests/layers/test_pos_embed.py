import math

import pytest
import torch

from mae_transfer.layers.pos_embed import resize_pos_embed, sincos_orders, sincos_pos_embed


@pytest.mark.parametrize('order', ['xy', 'yx'])
def test_sincos__equals_the_formula_entry_by_entry(order):
    """Sine and cosine of position * 10000 ** (-k / (D / 4)), first one axis, then the other."""
    dims, (h, w) = 8, (2, 3)
    table = sincos_pos_embed(dims, (h, w), order)
    assert table.shape == (1, 1 + h * w, dims)
    assert table[0, 0].abs().max() == 0
    for row in range(h):
        for column in range(w):
            expected = []
            for position in (column, row) if order == 'xy' else (row, column):
                angles = [position * 10000 ** (-k / (dims / 4)) for k in range(dims // 4)]
                expected += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
            torch.testing.assert_close(table[0, 1 + row * w + column], torch.tensor(expected))


def test_sincos__orders_are_transposes_of_each_other():
    xy = sincos_pos_embed(16, (3, 5), 'xy', 0).reshape(3, 5, 16)
    yx = sincos_pos_embed(16, (5, 3), 'yx', 0).reshape(5, 3, 16)
    torch.testing.assert_close(xy, yx.transpose(0, 1))


@pytest.mark.parametrize('dims, order, match', [(6, 'xy', 'multiple of 4'), (8, 'hw', "'hw'")])
def test_sincos__rejects(dims, order, match):
    with pytest.raises(ValueError, match=match):
        sincos_pos_embed(dims, (2, 2), order)


def test_resize__same_grid_is_the_same_tensor():
    table = torch.randn(1, 1 + 12, 8)
    assert resize_pos_embed(table, (3, 4), (3, 4)) is table


def test_resize__keeps_prefix_and_interpolates_each_channel():
    table = torch.randn(1, 1 + 12, 8)
    resized = resize_pos_embed(table, (6, 5), (3, 4))
    torch.testing.assert_close(resized[:, 0], table[:, 0])
    for channel in range(8):
        one = table[0, 1:, channel].reshape(1, 1, 3, 4)
        one = torch.nn.functional.interpolate(one, (6, 5), mode='bicubic', align_corners=False)
        torch.testing.assert_close(resized[0, 1:, channel], one.flatten())


def test_resize__every_square_grid_is_hit_exactly():
    for old in range(14, 31):
        table = torch.zeros(1, old * old, 1)
        for new in range(14, 31):
            assert resize_pos_embed(table, (new, new), None, 0).shape[1] == new * new


def test_resize__rejects_a_grid_the_table_was_not_made_for():
    with pytest.raises(ValueError, match='holds 9 patches, but pos_embed has 12'):
        resize_pos_embed(torch.zeros(1, 13, 4), (2, 2))


@pytest.mark.parametrize('order', ['xy', 'yx'])
@pytest.mark.parametrize('prefix', [0, 1, 3])
def test_sincos_orders__of_a_fixed_table(order, prefix):
    table = sincos_pos_embed(32, (3, 7), order, prefix)
    assert sincos_orders(table, (3, 7)) == (order,)
    assert sincos_orders(table, (7, 3)) == ()
    assert sincos_orders(table + 0.01, (3, 7)) == ()


def test_sincos_orders__one_patch_fits_both_orders():
    assert sincos_orders(sincos_pos_embed(32, (1, 1)), (1, 1)) == ('xy', 'yx')


@pytest.mark.parametrize('order', ['xy', 'yx'])
def test_sincos_orders__tables_of_half_precision(order):
    assert sincos_orders(sincos_pos_embed(32, (14, 14), order).half(), (14, 14)) == (order,)


def test_sincos_orders__width_that_no_fixed_table_has():
    assert sincos_orders(torch.zeros(1, 5, 30), (2, 2)) == ()


def test_sincos__is_computed_in_float64():
    """At 64 x 64 patches an angle in float32 would be off by some 1e-6."""
    table = sincos_pos_embed(64, (64, 64), 'yx', 0)[0, :, :32].reshape(64, 64, 32)[:, 0]
    for row in (1, 40, 63):
        angles = [row * 10000 ** (-k / 16) for k in range(16)]
        expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        torch.testing.assert_close(table[row], torch.tensor(expected), rtol=0, atol=1e-7)
