"""Fits a file's patch projection to other channels or another patch size."""

import torch
from timm.layers import resample_patch_embed
from torch import Tensor

from mae_transfer.checkpoints.steps import Fitted, Resized, Step, Tensors

NAME = 'patch_embed.proj.weight'
CHANNEL_RULES = ('mean', 'repeat', 'zero')


def fit_patch_embed(
    tensors: Tensors, shape: tuple[int, ...], in_channels_rule: str | None = None
) -> Fitted:
    """Adapt the projection to the encoder's channels, then to its patch size.

    Args:
        tensors: The file's encoder under PlainViT's names.
        shape: Shape of the encoder's projection, (embed_dims, in_channels, p, q).
        in_channels_rule: How to adapt the channels, see :func:`adapt_channels`; not needed if the
            numbers agree.

    Returns:
        The tensors and the steps.

    Raises:
        ValueError: If the channels differ and the rule is missing or does not fit.
    """
    if in_channels_rule not in (None, *CHANNEL_RULES):
        raise ValueError(f'in_channels_rule={in_channels_rule!r}: must be one of {CHANNEL_RULES}')
    kernel, steps = tensors.get(NAME), []
    if kernel is None or kernel.ndim != 4 or len(kernel) != shape[0]:
        return tensors, []  # the check of all tensors reports the problem
    if kernel.shape[1] != shape[1]:
        adapted = adapt_channels(kernel, shape[1], in_channels_rule)
        how = f'{kernel.shape[1]} -> {shape[1]} channels by the rule {in_channels_rule!r}'
        steps.append(_step(kernel, adapted, how))
        kernel = adapted
    if kernel.shape[2:] != shape[2:]:
        (p, q), (new_p, new_q) = kernel.shape[2:], shape[2:]
        resampled = resample_patch_embed(kernel, [new_p, new_q])
        how = f'{p}x{q} -> {new_p}x{new_q} by the pseudo-inverse of bicubic resizing (FlexiViT)'
        steps.append(_step(kernel, resampled, how))
        kernel = resampled
    return tensors | {NAME: kernel}, steps


def _step(old: Tensor, new: Tensor, how: str) -> Step:
    resized = Resized(tuple(old.shape), tuple(new.shape), how)
    return Step(f'patch_embed {how}', resized={NAME: resized})


def adapt_channels(kernel: Tensor, in_channels: int, rule: str | None) -> Tensor:
    """Adapt a patch projection to another number of input channels.

    'mean' and 'repeat' scale the weights by old / new channels, so that tokens keep their
    magnitude: an image with identical channels gives the same tokens as before (for 'repeat', if
    the new number is a multiple of the old one).

    Args:
        kernel: (C, old_channels, p, q).
        in_channels: New number of channels.
        rule: 'mean': every channel gets the mean of the old ones (gray images, false colors);
            'repeat': the old ones in turn, R G B R ... (several pictures in one); 'zero': the old
            ones stay, new ones start at zero (RGB and depth), which changes no token initially.

    Returns:
        (C, in_channels, p, q).

    Raises:
        ValueError: If there is no rule, or 'zero' would drop channels.
    """
    old = kernel.shape[1]
    if rule is None:
        raise ValueError(
            f'input channels {old} in the file, {in_channels} in the encoder: choose how to adapt '
            f'the weights by setting in_channels_rule to one of {CHANNEL_RULES} in '
            "init_cfg=dict(type='PretrainedViT', ...)"
        )
    if rule == 'mean':
        return kernel.mean(dim=1, keepdim=True).repeat(1, in_channels, 1, 1) * (old / in_channels)
    if rule == 'repeat':
        turn = torch.arange(in_channels) % old
        return kernel[:, turn] * (old / in_channels)
    if in_channels < old:
        raise ValueError(
            f"in_channels_rule='zero' keeps all {old} channels of the file, but the encoder has "
            f"{in_channels}: use 'mean' or 'repeat'"
        )
    extra = kernel.new_zeros(len(kernel), in_channels - old, *kernel.shape[2:])
    return torch.cat([kernel, extra], dim=1)
