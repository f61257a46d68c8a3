"""CAE's decoder: from predicted latents of hidden patches to what is compared with the target."""

from torch import Tensor, nn

from mae_transfer.layers.block import Block


class LatentDecoder(nn.Module):
    """Self-attention among hidden patches alone (Chen et al. 2022, section 3.1).

    Args:
        out_dims: Values predicted per patch: 8192 tokens, or p * p * channels pixels.
        embed_dims: Width D of a token.
        num_layers: Blocks; 0 predicts from the latents directly (table 5, 'no decoder').
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLPs, in units of D.
        layer_scale_init: Start of the layer scale; None = none.
        drop_path_rate: Of the last block; it grows linearly from 0.
        norm_eps: Epsilon of the layer norms.
    """

    def __init__(
        self,
        out_dims: int,
        embed_dims: int = 768,
        num_layers: int = 4,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        layer_scale_init: float | None = 0.1,
        drop_path_rate: float = 0.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        last = max(num_layers - 1, 1)
        self.blocks = nn.ModuleList(
            Block(
                embed_dims,
                num_heads,
                mlp_ratio,
                'no-key',
                layer_scale_init,
                drop_path_rate * i / last,
                norm_eps,
            )
            for i in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.pred = nn.Linear(embed_dims, out_dims)

    def forward(self, latent: Tensor, positions: Tensor) -> Tensor:
        """Predict the target of each hidden patch.

        Args:
            latent: Predicted latents, (B, M, D).
            positions: Of the hidden patches, (B, M, D).

        Returns:
            (B, M, out_dims).
        """
        x = latent + positions
        for block in self.blocks:
            x = block(x)
        return self.pred(self.norm(x))
