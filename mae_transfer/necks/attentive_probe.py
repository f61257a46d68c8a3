"""The attentive probe: one learned query between a frozen encoder and a linear layer.

The linear probe's batch norm is MMPretrain's (``ClsBatchNormNeck``). The encoder decides which
parameters are frozen: ``frozen_stages`` and ``trainable_blocks`` of
:class:`~mae_transfer.backbones.plain_vit.PlainViT`.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mae_transfer.layers.cross_attention import CrossAttention
from mae_transfer.registry import MODELS


@MODELS.register_module()
class AttentiveProbe(BaseModule):
    """One learned query gathers the tokens of an image (CAE, https://arxiv.org/abs/2202.03026).

    A single cross-attention, without MLP and without residual. The linear probe reads the class
    token, which masked pre-training does not train to hold the image; this one may look at all
    tokens. As ``neck`` of a classifier, followed by a batch norm without affine parameters
    (eps 1e-5 in CAE's code) and a linear layer::

        neck=[
            dict(type='AttentiveProbe', embed_dims=768, num_heads=12),
            dict(type='ClsBatchNormNeck', input_features=768, eps=1e-5),
        ]

    Args:
        embed_dims: Width C of a token.
        num_heads: Heads, as many as the encoder has.
        skip_tokens: How many leading tokens are not attended to. 0, as CAE's code: all tokens,
            the class token too; 1, as CAE's paper says: the patches only.
        norm_eps: Epsilon of the layer norms of query, keys and values.
        init_cfg: MMEngine's, to start from a trained probe.

    Raises:
        ValueError: If ``skip_tokens`` is negative.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        skip_tokens: int = 0,
        norm_eps: float = 1e-6,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if skip_tokens < 0:
            raise ValueError(f'skip_tokens={skip_tokens}: must not be negative')
        self.skip_tokens = skip_tokens
        self.query_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.norm_q = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.norm_k = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.norm_v = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.cross_attn = CrossAttention(embed_dims, num_heads)
        for module in self.cross_attn.children():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(self.cross_attn.proj.bias)

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Gather the tokens of the last output.

        Args:
            inputs: Outputs of an encoder with ``out_type='tokens'``; the last is (B, N, C).

        Returns:
            One feature per image, (B, C), in a tuple, as MMPretrain's heads take it.

        Raises:
            ValueError: If the last output is not (B, N, C) with more than ``skip_tokens`` tokens.
        """
        x = inputs[-1]
        if x.ndim != 3 or x.shape[1] <= self.skip_tokens:
            raise ValueError(
                f'the encoder gives {tuple(x.shape)}, but an attentive probe with '
                f'skip_tokens={self.skip_tokens} takes (B, N, C) with more tokens than that: set '
                "out_type='tokens' in the backbone"
            )
        x = x[:, self.skip_tokens :]
        query = self.norm_q(self.query_token).expand(len(x), -1, -1)  # (B, 1, C)
        x = self.cross_attn(query, self.norm_k(x), self.norm_v(x))
        return (x[:, 0],)
