"""Facts about an encoder that its tensors do not tell; our checkpoints carry them in ``meta``."""

import torch

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.layers.pos_embed import sincos_pos_embed


def encoder_metadata(vit: PlainViT) -> dict:
    """Describe an encoder in plain containers, for ``checkpoint['meta']['mae_transfer']``.

    Returns:
        Sizes in pixels and patches (height first), widths, heads, epsilon of the norms, and
        ``pos_order``: 'xy' or 'yx' for a sine-cosine table in that order, 'learned' for any other
        table, None without one.
    """
    from mae_transfer import __version__  # the package imports this room

    return dict(
        version=__version__,
        embed_dims=vit.embed_dims,
        num_layers=vit.num_layers,
        num_heads=vit.num_heads,
        norm_eps=vit.norm_eps,
        in_channels=vit.in_channels,
        patch_size=list(vit.patch_size),
        img_size=list(vit.img_size),
        pos_grid=list(vit.pos_grid),
        num_prefix_tokens=vit.num_prefix_tokens,
        pos_order=_pos_order(vit),
        layer_scale=any(name.endswith('ls1.gamma') for name, _ in vit.named_parameters()),
    )


def _pos_order(vit: PlainViT) -> str | None:
    """Recognise the order of the axes by comparing the table with both sine-cosine tables."""
    if vit.pos_embed is None:
        return None
    table = vit.pos_embed.detach().float().cpu()
    for order in ('xy', 'yx'):
        if vit.embed_dims % 4 == 0:
            sincos = sincos_pos_embed(vit.embed_dims, vit.pos_grid, order, vit.num_prefix_tokens)
            if torch.allclose(table, sincos, atol=1e-6):
                return order
    return 'learned'
