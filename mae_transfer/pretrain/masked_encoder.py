"""Encoding of visible patches only: second step of pre-training, after masking."""

from torch import Tensor

from mae_transfer.backbones import PlainViT
from mae_transfer.layers.patchify import check_divisible
from mae_transfer.masking.token_index import keep_tokens


def encode_visible(encoder: PlainViT, images: Tensor, ids_keep: Tensor) -> Tensor:
    """Encode the visible patches; hidden ones are not even embedded (He et al. 2021, section 3).

    Args:
        encoder: Global attention in all blocks; windows would need the whole map.
        images: (B, in_channels, H, W), H and W multiples of the patch size.
        ids_keep: Which patches stay, (B, L_keep), int64 in [0, L).

    Returns:
        Tokens behind the final norm, (B, num_prefix_tokens + L_keep, C).
    """
    x = encoder.patch_embed.embed_visible(images, ids_keep)  # (B, L_keep, C)
    positions = encoder.patch_positions(check_divisible(*images.shape[-2:], encoder.patch_size))
    if positions is not None:
        x = x + keep_tokens(positions.expand(len(x), -1, -1), ids_keep)
    x = encoder.prepend_cls(x)  # (B, num_prefix_tokens + L_keep, C)
    for block in encoder.blocks:
        x = encoder.run_block(block, x)
    return encoder.norm(x)
