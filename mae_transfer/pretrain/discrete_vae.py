"""Discrete VAE: trained without labels, then frozen, it turns pictures into tokens to predict."""

import math

import torch
import torch.nn.functional as F
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mae_transfer.layers.patchify import patch_grid
from mae_transfer.pretrain.dvae_networks import DVAEDecoder, DVAEEncoder
from mae_transfer.pretrain.image_likelihood import standardize
from mae_transfer.pretrain.tokenizer_range import MEAN, STD


def kl_to_uniform(logits: Tensor) -> Tensor:
    """Kullback-Leibler divergence of each place's distribution from the uniform one.

    KL(q || u) = sum_k q_k ln(q_k K): 0 where all codes are equally likely, ln(K) where one code has
    all the probability.

    Args:
        logits: (B, K, h, w).

    Returns:
        Mean over all places, in nats.
    """
    log_q = F.log_softmax(logits, dim=1)
    divergence = (log_q.exp() * log_q).sum(dim=1) + math.log(logits.shape[1])  # (B, h, w)
    return divergence.mean()


@MODELS.register_module()
class DiscreteVAE(BaseSelfSupervisor):
    """The tokenizer of BEiT and CAE (Ramesh et al. 2021, https://arxiv.org/abs/2102.12092, 2.1).

    An encoder gives a distribution over K codes for each place, a decoder paints the picture from
    one code's embedding per place. While it trains, a place has a mixture of embeddings, a sample
    of the Gumbel-softmax relaxation (Jang et al. 2017, https://arxiv.org/abs/1611.01144): the lower
    its temperature, the closer the mixture is to one code. The loss is

        -ln p(picture | codes) / values  +  kl_weight * KL(codes || uniform) / values

    per picture, where values = channels * H * W, as in DALL-E's appendix A.2: its kl_weight of 6.6
    is beta / 192 per place for codes of 8 x 8 pixels.

    Pictures are in DALL-E's range, see :mod:`~mae_transfer.pretrain.tokenizer_range`; the model
    brings its own preprocessor. Tokens are the most likely codes, without noise.

    Args:
        head: Likelihood of pixels: ``LogitLaplaceLikelihood`` or ``SquaredErrorLikelihood``.
        num_codes: Size of the codebook, K.
        embed_dims: Width of a code's embedding.
        hidden_dims: Width of encoder and decoder.
        num_layers: Layers of stride 2 on either side; a code covers a square of 2**num_layers
            pixels a side.
        num_blocks: Residual blocks on either side.
        in_channels: Channels of a picture.
        temperature: Of the relaxation, above 0; an ``AnnealHook`` lowers it.
        kl_weight: Weight of the divergence, beta; an ``AnnealHook`` may raise it.
        straight_through: Whether the decoder gets one code per place while the gradient is that of
            the mixture.
        init_cfg: Initialization; see MMEngine.

    Raises:
        ValueError: If a size is below 1 or the temperature not above 0.
    """

    def __init__(
        self,
        head: dict,
        num_codes: int = 8192,
        embed_dims: int = 512,
        hidden_dims: int = 256,
        num_layers: int = 3,
        num_blocks: int = 2,
        in_channels: int = 3,
        temperature: float = 1.0,
        kl_weight: float = 0.0,
        straight_through: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        sizes = dict(
            num_codes=num_codes,
            embed_dims=embed_dims,
            hidden_dims=hidden_dims,
            num_layers=num_layers,
            in_channels=in_channels,
        )
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f'{name}={size}: must be at least 1')
        if temperature <= 0:
            raise ValueError(f'temperature={temperature}: must be above 0')
        likelihood = MODELS.build(head)
        super().__init__(
            backbone=DVAEEncoder(num_codes, hidden_dims, num_layers, num_blocks, in_channels),
            neck=DVAEDecoder(
                embed_dims,
                hidden_dims,
                num_layers,
                num_blocks,
                in_channels * likelihood.maps_per_channel,
            ),
            head=likelihood,
            data_preprocessor=dict(
                type='SelfSupDataPreprocessor',
                mean=[MEAN] * in_channels,
                std=[STD] * in_channels,
                to_rgb=in_channels == 3,
            ),
            init_cfg=init_cfg,
        )
        self.codebook = nn.Embedding(num_codes, embed_dims)
        self.num_codes = num_codes
        self.patch_size = (2**num_layers, 2**num_layers)
        self.values_per_code = in_channels * 4**num_layers
        self.temperature, self.kl_weight = temperature, kl_weight
        self.straight_through = straight_through

    def code_logits(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in DALL-E's range, sides multiples of a code's -> (B, K, h, w), float32."""
        patch_grid(images.shape[-2:], self.patch_size)  # raises where codes do not tile the picture
        # float32 for the softmax over thousands of codes, under autocast, too.
        return self.backbone(standardize(images)).float()

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Return :meth:`code_logits`, as MMPretrain calls a model without a mode."""
        return self.code_logits(inputs)

    def paint(self, codes: Tensor) -> Tensor:
        """Mix the embeddings of the codes by weights (B, K, h, w) and decode the mixture."""
        return self.neck(torch.einsum('bkhw,kc->bchw', codes, self.codebook.weight))

    def loss(self, inputs: Tensor, data_samples: list | None = None) -> dict[str, Tensor]:
        """Compute both terms of the loss.

        Args:
            inputs: (B, C, H, W), in DALL-E's range.
            data_samples: Not needed: there are no labels.

        Returns:
            ``loss_reconstruction`` and ``loss_kl``, whose sum is minimized, and ``codes_used``, the
            share of the codebook that occurs among the tokens of this batch.
        """
        logits = self.code_logits(inputs)
        codes = F.gumbel_softmax(logits, self.temperature, self.straight_through, dim=1)
        maps = self.paint(codes)
        # One scalar per batch shows in the log whether the codebook collapses.
        used = logits.detach().argmax(dim=1).unique().numel()
        return {
            'loss_reconstruction': self.head.loss(maps, inputs),
            'loss_kl': self.kl_weight / self.values_per_code * kl_to_uniform(logits),
            'codes_used': inputs.new_tensor(used / self.num_codes),
        }

    @torch.no_grad()
    def tokenize(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in DALL-E's range -> most likely codes, row by row, (B, L), int64."""
        return self.code_logits(images).argmax(dim=1).flatten(1)

    @torch.no_grad()
    def decode_tokens(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Paint pictures from tokens.

        Args:
            tokens: (B, L), int64 in [0, K).
            grid: Rows and columns, h * w = L.

        Returns:
            (B, C, H, W) in DALL-E's range, float32.
        """
        embedded = self.codebook(tokens.unflatten(1, grid))  # (B, h, w, D)
        return self.head.to_images(self.neck(embedded.permute(0, 3, 1, 2)))

    def reconstruct(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Tokenize pictures and paint them again; return pictures (B, C, H, W), tokens (B, L)."""
        tokens = self.tokenize(inputs)
        grid = patch_grid(inputs.shape[-2:], self.patch_size)
        return self.decode_tokens(tokens, grid), tokens

    def forward(
        self,
        inputs: Tensor | list[Tensor],
        data_samples: list | None = None,
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor] | list[dict]:
        """Run a mode of MMEngine: MMPretrain's 'tensor' and 'loss', and 'predict'.

        Returns:
            In mode 'predict' a dict per picture: ``picture`` and ``reconstruction``, (C, H, W) in
            DALL-E's range, and ``tokens``, (L,).
        """
        if mode != 'predict':
            return super().forward(inputs, data_samples, mode)
        assert isinstance(inputs, Tensor), 'a DiscreteVAE predicts one view'
        reconstructions, tokens = self.reconstruct(inputs)
        names = ('picture', 'reconstruction', 'tokens')
        return [
            dict(zip(names, row, strict=True))
            for row in zip(inputs, reconstructions, tokens, strict=True)
        ]
