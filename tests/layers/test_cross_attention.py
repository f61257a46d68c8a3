import pytest
import torch

from mae_transfer.layers.cross_attention import CrossAttention
from tests.references.cross_attention import naive_cross_attention


def make_attention(embed_dims: int = 8, num_heads: int = 2) -> CrossAttention:
    attention = CrossAttention(embed_dims, num_heads)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return attention


def test_cross_attention__equals_the_loop():
    attention = make_attention()
    query, key, value = torch.randn(2, 3, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    with torch.no_grad():
        expected = naive_cross_attention(attention, query, key, value)
        torch.testing.assert_close(attention(query, key, value), expected)


def test_cross_attention__has_the_names_of_caes_code():
    shapes = {name: tuple(p.shape) for name, p in CrossAttention(8, 2).named_parameters()}
    assert shapes == {
        'q_bias': (8,), 'v_bias': (8,), 'q.weight': (8, 8), 'k.weight': (8, 8),
        'v.weight': (8, 8), 'proj.weight': (8, 8), 'proj.bias': (8,),
    }  # fmt: skip


def test_cross_attention__order_of_the_keys_does_not_count():
    attention = make_attention()
    query, tokens = torch.randn(1, 2, 8), torch.randn(1, 5, 8)
    turned = tokens.flip(1)
    torch.testing.assert_close(attention(query, tokens, tokens), attention(query, turned, turned))


def test_cross_attention__heads_must_divide_the_width():
    with pytest.raises(ValueError, match='num_heads=3 must divide embed_dims=8'):
        CrossAttention(8, 3)
