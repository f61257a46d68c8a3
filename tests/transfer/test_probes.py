import pytest
import torch
from torch import nn

from mae_transfer.transfer import AttentiveProbe
from tests.references.cross_attention import naive_cross_attention

TINY = dict(embed_dims=8, num_layers=3, num_heads=2, mlp_ratio=2)


def randomise(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


# ---- attentive probe


@pytest.mark.parametrize('skip', [0, 1])
def test_attentive_probe__equals_its_formula(skip):
    """X = CA(LN_q(query), LN_k(tokens), LN_v(tokens)); nothing is added, nothing follows."""
    probe = randomise(AttentiveProbe(8, 2, skip_tokens=skip))
    first, x = torch.randn(2, 7, 8), torch.randn(2, 7, 8)
    (feature,) = probe((first, x))
    seen = x[:, skip:]
    query = probe.norm_q(probe.query_token).expand(2, 1, 8)
    with torch.no_grad():
        expected = naive_cross_attention(
            probe.cross_attn, query, probe.norm_k(seen), probe.norm_v(seen)
        )
    torch.testing.assert_close(feature, expected[:, 0])


def test_attentive_probe__case_by_hand():
    """One head, identity projections, a query of zeros: the mean of the normalised tokens.

    Tokens (1, 3) and (6, 2) have the layer norms (-1, 1) and (1, -1), their mean is 0; with a bias
    of (5, 7) in norm_v it is (5, 7).
    """
    probe = AttentiveProbe(2, 1)
    for projection in (probe.cross_attn.q, probe.cross_attn.k, probe.cross_attn.v):
        nn.init.eye_(projection.weight)
    nn.init.eye_(probe.cross_attn.proj.weight)
    probe.norm_v.bias.data = torch.tensor([5.0, 7.0])
    (feature,) = probe((torch.tensor([[[1.0, 3.0], [6.0, 2.0]]]),))
    torch.testing.assert_close(feature, torch.tensor([[5.0, 7.0]]))


def test_attentive_probe__table_of_its_parameters():
    shapes = {name: tuple(p.shape) for name, p in AttentiveProbe(8, 2).named_parameters()}
    norms = {f'norm_{x}.{part}': (8,) for x in 'qkv' for part in ('weight', 'bias')}
    attention = {f'cross_attn.{x}.weight': (8, 8) for x in ('q', 'k', 'v', 'proj')}
    biases = {f'cross_attn.{x}': (8,) for x in ('q_bias', 'v_bias', 'proj.bias')}
    assert shapes == {'query_token': (1, 1, 8), **norms, **attention, **biases}


def test_attentive_probe__starts_at_zero_query_and_zero_biases():
    probe = AttentiveProbe(64, 2)
    for parameter in (probe.query_token, probe.cross_attn.q_bias, probe.cross_attn.proj.bias):
        torch.testing.assert_close(parameter.data, torch.zeros_like(parameter))
    for name in ('q', 'k', 'v', 'proj'):
        assert getattr(probe.cross_attn, name).weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_attentive_probe__every_parameter_has_a_gradient():
    probe = randomise(AttentiveProbe(8, 2))
    (feature,) = probe((torch.randn(2, 7, 8),))
    (feature**2).sum().backward()
    for name, parameter in probe.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize('shape', [(2, 8), (2, 8, 4, 4), (2, 1, 8)])
def test_attentive_probe__refuses_what_are_not_tokens(shape):
    with pytest.raises(ValueError, match="out_type='tokens'"):
        AttentiveProbe(8, 2, skip_tokens=1)((torch.zeros(shape),))


def test_attentive_probe__refuses_to_skip_less_than_none():
    with pytest.raises(ValueError, match='skip_tokens=-1'):
        AttentiveProbe(8, 2, skip_tokens=-1)
