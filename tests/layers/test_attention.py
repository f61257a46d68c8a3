import pytest
import torch
from timm.models.vision_transformer import Attention as TimmAttention

from mae_transfer.layers.attention import REL_POS, Attention
from mae_transfer.layers.block import Block
from mae_transfer.layers.rel_pos import gather_rel_pos, resize_rel_pos, resize_rel_pos_table
from tests.references.attention import naive_relative_attention, naive_window_attention
from tests.references.rel_pos_table import naive_table_attention
from tests.support.weights import randomize


def test_attention__equals_timm():
    ours, theirs = randomize(Attention(32, 4)), TimmAttention(32, 4, qkv_bias=True)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 7, 32)
    torch.testing.assert_close(ours(x), theirs(x))


def test_attention__bias_of_the_key_changes_nothing():
    full, no_key = randomize(Attention(32, 4)), Attention(32, 4, qkv_bias='no-key')
    with torch.no_grad():
        no_key.qkv.weight.copy_(full.qkv.weight)
        no_key.q_bias.copy_(full.qkv.bias[:32])
        no_key.v_bias.copy_(full.qkv.bias[64:])
        no_key.proj.load_state_dict(full.proj.state_dict())
    x = torch.randn(2, 7, 32)
    torch.testing.assert_close(full(x), no_key(x))


def test_attention__relative_position_equals_naive():
    attn = randomize(Attention(16, 2, rel_pos_size=(3, 4)))
    x = torch.randn(2, 12, 16)
    torch.testing.assert_close(attn(x, (3, 4)), naive_relative_attention(attn, x, (3, 4)))


@pytest.mark.parametrize('with_cls', [False, True])
def test_attention__table_equals_naive(with_cls):
    attn = randomize(Attention(16, 2, True, (3, 4), 'table', int(with_cls)))
    x = torch.randn(2, 12 + with_cls, 16)
    expected = naive_table_attention(
        attn, x, (3, 4), attn.relative_position_bias_table.detach(), with_cls
    )
    torch.testing.assert_close(attn(x, (3, 4)), expected)


@pytest.mark.parametrize('with_cls', [False, True])
def test_attention__table_of_another_grid_is_resized(with_cls):
    attn = randomize(Attention(16, 2, True, (3, 4), 'table', int(with_cls)))
    x = torch.randn(2, 30 + with_cls, 16)
    table = attn.relative_position_bias_table.detach()
    table = resize_rel_pos_table(table, (3, 4), (6, 5), int(with_cls))
    expected = naive_table_attention(attn, x, (6, 5), table, with_cls)
    torch.testing.assert_close(attn(x, (6, 5)), expected)


@pytest.mark.parametrize('rel_pos', REL_POS)
def test_attention__zero_tables_equal_no_tables(rel_pos):
    with_tables, without = Attention(16, 2, True, (3, 4), rel_pos), Attention(16, 2)
    without.load_state_dict({k: v for k, v in with_tables.state_dict().items() if 'rel' not in k})
    x = torch.randn(2, 12, 16)
    torch.testing.assert_close(with_tables(x, (3, 4)), without(x))


def test_attention__index_of_pairs_is_not_stored():
    """BEiT's files hold it; a buffer of ours would tie each file to one image size."""
    attn = Attention(16, 2, True, (3, 4), 'table')
    assert set(attn.state_dict()) == {name for name, _ in attn.named_parameters()}


def test_block__windows_with_relative_position_equal_naive():
    """A 5x7 map in windows of 3: both edges stick out; the norm comes before the padding."""
    block = randomize(Block(16, 2, window_size=3, rel_pos_size=(3, 3)))
    x = torch.randn(2, 35, 16)
    attended = naive_window_attention(block.attn, block.norm1(x).reshape(2, 5, 7, 16), 3)
    expected = x + attended.reshape(2, 35, 16)
    expected = expected + block.mlp(block.norm2(expected))
    torch.testing.assert_close(block(x, (5, 7)), expected)


def test_gather_rel_pos__index_is_query_minus_key():
    table = torch.arange(5.0)[:, None]
    assert gather_rel_pos(table, 3)[..., 0].tolist() == [[2, 1, 0], [3, 2, 1], [4, 3, 2]]


def test_resize_rel_pos__a_straight_line_stays_straight():
    line = torch.linspace(-1, 1, 5)[:, None]
    resized = resize_rel_pos(line, 5)[:, 0]
    assert resized.shape == (9,)
    torch.testing.assert_close(resized, -resized.flip(0))
    steps = resized[1:-1].diff()
    torch.testing.assert_close(steps, steps[:1].expand(6))


@pytest.mark.parametrize(
    'arguments, match',
    [
        ((30, 4), 'num_heads=4 must divide embed_dims=30'),
        ((32, 4, 'key'), "qkv_bias='key'"),
        ((32, 4, True, (2, 2), 'beit'), "rel_pos='beit'"),
        ((32, 4, True, (2, 2), 'decomposed', 1), 'no class token'),
    ],
)
def test_attention__rejects(arguments, match):
    with pytest.raises(ValueError, match=match):
        Attention(*arguments)


def test_resize_rel_pos__by_hand():
    """Three distances become five: places .6 i - .2, cut to the ends, as in detectron2."""
    table = torch.tensor([[0.0], [1.0], [2.0]])
    expected = torch.tensor([0.0, 0.4, 1.0, 1.6, 2.0])
    torch.testing.assert_close(resize_rel_pos(table, 3)[:, 0], expected)


def test_block__width_of_the_mlp_and_epsilon_of_both_norms():
    block = Block(16, 2, mlp_ratio=2.5, norm_eps=1e-3)
    assert block.mlp.fc1.out_features == block.mlp.fc2.in_features == 40
    assert block.norm1.eps == block.norm2.eps == 1e-3
    default = Block(16, 2)
    assert default.mlp.fc1.out_features == 64
    assert default.norm1.eps == default.norm2.eps == 1e-6
