"""What follows CAE's encoder: projection, positions, regressor, decoder."""

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mae_transfer.layers.pos_embed import resize_pos_embed, sincos_pos_embed
from mae_transfer.masking.token_index import keep_tokens
from mae_transfer.pretrain.cae_decoder import LatentDecoder
from mae_transfer.pretrain.cae_regressor import LatentRegressor
from mae_transfer.registry import MODELS


@MODELS.register_module()
class ContextNeck(BaseModule):
    """Regressor and decoder of one width, with one fixed table of positions for both.

    Where that width is not the encoder's, a linear layer and a layer norm project to it, both the
    latents of visible patches and those to align with. As in the released code the width is 768
    with 12 heads whatever the encoder, so only ViT-B has no projection.

    Args:
        encoder_dims: Width of the encoder's tokens.
        grid: Rows and columns of patches that the positions are stored for.
        out_dims: Values predicted per patch: 8192 tokens, or p * p * channels pixels.
        embed_dims: Width D of regressor and decoder.
        regressor_layers: Blocks of the regressor.
        decoder_layers: Blocks of the decoder.
        num_heads: Attention heads of both.
        mlp_ratio: Hidden width of the MLPs, in units of D.
        layer_scale_init: Start of the layer scale; None = none.
        drop_path_rate: Stochastic depth of the last block of each; it grows linearly from 0.
        pos_order: Axis order of the positions: 'yx' (CAE) or 'xy' (MAE).
        norm_eps: Epsilon of the layer norms.
        init_cfg: Initialization; see MMEngine.
    """

    def __init__(
        self,
        encoder_dims: int,
        grid: tuple[int, int],
        out_dims: int = 8192,
        embed_dims: int = 768,
        regressor_layers: int = 4,
        decoder_layers: int = 4,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        layer_scale_init: float | None = 0.1,
        drop_path_rate: float = 0.0,
        pos_order: str = 'yx',
        norm_eps: float = 1e-6,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.grid = (grid[0], grid[1])
        self.projection: nn.Module = nn.Identity()
        if encoder_dims != embed_dims:
            self.projection = nn.Sequential(
                nn.Linear(encoder_dims, embed_dims), nn.LayerNorm(embed_dims, eps=norm_eps)
            )
        table = sincos_pos_embed(embed_dims, self.grid, pos_order, num_prefix_tokens=0)
        self.pos_embed = nn.Parameter(table, requires_grad=False)
        options: dict[str, Any] = dict(
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            layer_scale_init=layer_scale_init,
            drop_path_rate=drop_path_rate,
            norm_eps=norm_eps,
        )
        self.regressor = LatentRegressor(embed_dims, regressor_layers, **options)
        self.decoder = LatentDecoder(out_dims, embed_dims, decoder_layers, **options)

    def forward(
        self, visible: Tensor, ids_keep: Tensor, ids_mask: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Predict the hidden patches twice: their latents, and from these their targets.

        Args:
            visible: Encoded visible patches, without class token, (B, V, encoder_dims).
            ids_keep: Which patches these are, (B, V).
            ids_mask: Which patches are hidden, (B, M).
            grid: Rows and columns of patches; another one than the stored is interpolated.

        Returns:
            Latents (B, M, D) and predictions (B, M, out_dims).
        """
        table = resize_pos_embed(self.pos_embed, grid, self.grid, num_prefix_tokens=0)
        table = table.expand(len(visible), -1, -1)  # (B, L, D)
        pos_visible, pos_hidden = keep_tokens(table, ids_keep), keep_tokens(table, ids_mask)
        latent = self.regressor(self.projection(visible), pos_visible, pos_hidden)  # (B, M, D)
        return latent, self.decoder(latent, pos_hidden)
