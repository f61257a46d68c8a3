"""``timm:NAME``: facts about a timm model that the file of its weights does not tell."""

import torch

from mae_transfer.backbones.timm_weights import check_timm_name

TIMM = 'timm:'


def timm_facts(name: str) -> dict:
    """Facts about the encoder of a timm model, read off the model without weights.

    Raises:
        ValueError: If timm has no such model, or it is no plain ViT.
    """
    import timm

    check_timm_name(name)  # a file may have stated it: no address of a hub, no folder
    with torch.device('meta'):
        model = timm.create_model(name, pretrained=False)
    blocks = getattr(model, 'blocks', None)
    try:
        block, patch_embed = blocks[0], model.patch_embed
        return dict(
            embed_dims=model.embed_dim,
            num_layers=len(blocks),
            num_heads=block.attn.num_heads,
            norm_eps=block.norm1.eps,
            act=_act_name(block.mlp.act),
            in_channels=patch_embed.proj.in_channels,
            patch_size=list(patch_embed.patch_size),
            pos_grid=list(patch_embed.grid_size),
        )
    except (AttributeError, TypeError) as error:
        raise ValueError(
            f'{TIMM}{name} is a {type(model).__name__}, which is no plain ViT: {error}'
        ) from error


def _act_name(act: torch.nn.Module) -> str:
    """'gelu' for the exact GELU, else what the module calls itself."""
    if isinstance(act, torch.nn.GELU):
        return 'gelu' if act.approximate == 'none' else f'gelu_{act.approximate}'
    return type(act).__name__
