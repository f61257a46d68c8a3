"""Encode an image of which some patches are hidden."""

from typing import cast

import torch
from torch import Tensor

from mae_transfer.backbones import PlainViT
from mae_transfer.layers.block import Block
from mae_transfer.masking.token_index import keep_tokens


def check_encoder(encoder: PlainViT) -> None:
    """Raise a ``ValueError`` if an encoder cannot run on a class token and a few patches alone."""
    only_cls = encoder.with_cls_token and not encoder.num_register_tokens
    if encoder.window_size or encoder.rel_pos or encoder.norm is None or not only_cls:
        raise ValueError(
            'the encoder of a masked autoencoder sees a few visible patches: it needs '
            'window_size=0, rel_pos=False, with_cls_token=True, num_register_tokens=0 and '
            f'final_norm=True, but has window_size={encoder.window_size}, '
            f'rel_pos={encoder.rel_pos}, with_cls_token={encoder.with_cls_token}, '
            f'num_register_tokens={encoder.num_register_tokens} and '
            f'final_norm={encoder.norm is not None}'
        )


def encode_visible(
    encoder: PlainViT, images: Tensor, ids_keep: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Encode the visible patches; hidden ones are not even embedded (He et al. 2021, section 3).

    Args:
        encoder: Global attention in all blocks; windows would need the whole map.
        images: (B, in_channels, H, W), H and W multiples of the patch size.
        ids_keep: Which patches stay, (B, L_keep), int64 in [0, L).
        grid: Rows and columns of patches of an image.

    Returns:
        Tokens after the final norm, (B, num_prefix_tokens + L_keep, C).
    """
    x = encoder.patch_embed.embed_visible(images, ids_keep)  # (B, L_keep, C)
    positions = encoder.patch_positions(grid)
    if positions is not None:
        x = x + keep_tokens(positions.expand(len(x), -1, -1), ids_keep)
    return _run_blocks(encoder, x)


def encode_all(
    encoder: PlainViT, images: Tensor, mask: Tensor, mask_token: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Encode every place, with a mask token for each hidden patch (BEiT; MAE's table 1c).

    Args:
        encoder: Global attention in all blocks.
        images: (B, in_channels, H, W), H and W multiples of the patch size.
        mask: (B, L), True = hidden.
        mask_token: (1, 1, C); positions are added to it, or all hidden places would look the same.
        grid: Rows and columns of patches of an image.

    Returns:
        Tokens after the final norm, in the order of the grid, (B, num_prefix_tokens + L, C).
    """
    x = encoder.patch_embed(images).flatten(2).transpose(1, 2)  # (B, L, C)
    x = torch.where(mask.unsqueeze(-1), mask_token.to(x.dtype), x)
    positions = encoder.patch_positions(grid)
    if positions is not None:
        x = x + positions
    return _run_blocks(encoder, x)


def _run_blocks(encoder: PlainViT, x: Tensor) -> Tensor:
    """Class token, blocks and final norm; (B, N, C) -> (B, num_prefix_tokens + N, C)."""
    x = encoder.prepend_cls(x)
    for block in encoder.blocks:
        x = encoder.run_block(cast(Block, block), x)
    assert encoder.norm is not None, 'check_encoder asks for a final norm'
    return encoder.norm(x)
