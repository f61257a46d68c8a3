"""Slow, obvious version of CAE's attentive probe, from the tensors of its file."""

from types import SimpleNamespace

import torch
from torch import Tensor

from tests.references.cross_attention import naive_cross_attention
from tests.references.naive_cae import naive_norm


def naive_attentive_logits(model: dict[str, Tensor], tokens: Tensor, num_heads: int) -> Tensor:
    """Scores of the classes, (B, classes).

    Args:
        model: The file's tensors, under the names of CAE's code.
        tokens: All tokens of the images after the encoder's norm, (B, N, C).
        num_heads: Of the encoder, and so of the probe.
    """
    block = 'attentive_blocks.0.'

    def normed(name: str, token: Tensor) -> Tensor:
        weight, bias = (model[f'{block}{name}.{part}'] for part in ('weight', 'bias'))
        return naive_norm(SimpleNamespace(eps=1e-6, weight=weight, bias=bias), token)

    def linear(name: str) -> SimpleNamespace:
        return SimpleNamespace(
            weight=model[f'{block}cross_attn.{name}.weight'],
            bias=model.get(f'{block}cross_attn.{name}.bias'),
        )

    attention = SimpleNamespace(
        num_heads=num_heads,
        q_bias=model[f'{block}cross_attn.q_bias'],
        v_bias=model[f'{block}cross_attn.v_bias'],
        **{name: linear(name) for name in ('q', 'k', 'v', 'proj')},
    )
    scores = []
    for image in tokens:
        query = normed('norm1_q', model['query_token'][0, 0])[None, None]
        keys = torch.stack([normed('norm1_k', token) for token in image])[None]
        values = torch.stack([normed('norm1_v', token) for token in image])[None]
        feature = naive_cross_attention(attention, query, keys, values)[0, 0]
        centered = feature - model['fc_norm.running_mean']
        feature = centered / (model['fc_norm.running_var'] + 1e-5).sqrt()
        scores.append(model['head.weight'] @ feature + model['head.bias'])
    return torch.stack(scores)
