"""MAE's decoder: visible tokens and mask tokens -> a prediction for every patch."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mae_transfer.layers.block import Block
from mae_transfer.layers.pos_embed import resize_pos_embed, sincos_pos_embed
from mae_transfer.masking.token_index import restore_tokens
from mae_transfer.registry import MODELS


@MODELS.register_module()
class MAEDecoder(BaseModule):
    """Lightweight transformer that sees all places (He et al. 2021, section 3 and appendix A.1).

    Parameter names are those of MAE's code, so its files with a decoder load.

    Args:
        encoder_dims: Width of the encoder's tokens.
        grid: Rows and columns of patches that the fixed positions are stored for.
        out_dims: Values predicted per patch; p * p * channels for pixels.
        embed_dims: Width of the decoder.
        num_layers: Blocks.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLPs, in units of ``embed_dims``.
        pos_order: Axis order of the fixed sine-cosine table, 'xy' (MAE) or 'yx' (MMPretrain); or
            'learned': a trained table, normal with std .02 at the start.
        norm_eps: Epsilon of the layer norms.
        qkv_bias: See :class:`~mae_transfer.layers.attention.Attention`.
        input_layer: Whether a linear layer takes the tokens from the encoder's width to the
            decoder's; without it both must be the same.
        final_norm: Whether a layer norm follows the blocks, before the prediction.
        init_cfg: Initialization; see MMEngine.

    Raises:
        ValueError: If the widths differ and there is no input layer.
    """

    def __init__(
        self,
        encoder_dims: int,
        grid: tuple[int, int],
        out_dims: int,
        embed_dims: int = 512,
        num_layers: int = 8,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        pos_order: str = 'xy',
        norm_eps: float = 1e-6,
        qkv_bias: bool | str = True,
        input_layer: bool = True,
        final_norm: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.grid = (grid[0], grid[1])
        if not input_layer and embed_dims != encoder_dims:
            raise ValueError(
                f'embed_dims={embed_dims} differs from encoder_dims={encoder_dims}: without '
                'input_layer they must be the same'
            )
        self.decoder_embed = nn.Linear(encoder_dims, embed_dims) if input_layer else None
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        if pos_order == 'learned':
            table = torch.empty(1, 1 + self.grid[0] * self.grid[1], embed_dims)
            self.decoder_pos_embed = nn.Parameter(nn.init.trunc_normal_(table, std=0.02))
        else:
            table = sincos_pos_embed(embed_dims, self.grid, pos_order)
            self.decoder_pos_embed = nn.Parameter(table, requires_grad=False)
        self.decoder_blocks = nn.ModuleList(
            Block(embed_dims, num_heads, mlp_ratio, qkv_bias, norm_eps=norm_eps)
            for _ in range(num_layers)
        )
        self.decoder_norm = None
        if final_norm:
            self.decoder_norm = nn.LayerNorm(embed_dims, eps=norm_eps)
        self.decoder_pred = nn.Linear(embed_dims, out_dims)

    def forward(self, latent: Tensor, ids_restore: Tensor, grid: tuple[int, int]) -> Tensor:
        """Predict every patch.

        Args:
            latent: Class token and visible tokens, (B, 1 + L_keep, encoder_dims).
            ids_restore: Rank of each patch in the order 'visible first', (B, L).
            grid: Rows and columns of patches; another one than the stored is interpolated.

        Returns:
            (B, L, out_dims).
        """
        x = latent if self.decoder_embed is None else self.decoder_embed(latent)
        patches = restore_tokens(x[:, 1:], self.mask_token, ids_restore)  # (B, L, D)
        x = torch.cat([x[:, :1], patches], dim=1)  # (B, 1 + L, D)
        # Class token included: row 0 of the table is its own, zero where the table is fixed.
        x = x + resize_pos_embed(self.decoder_pos_embed, grid, self.grid)
        for block in self.decoder_blocks:
            x = block(x)
        if self.decoder_norm is not None:
            x = self.decoder_norm(x)
        return self.decoder_pred(x)[:, 1:]  # without the class token, (B, L, out_dims)
