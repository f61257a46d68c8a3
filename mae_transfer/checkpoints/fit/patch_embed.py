"""The patch projection of a file on other channels or another patch size."""

import torch
from timm.layers import resample_patch_embed
from torch import Tensor

from mae_transfer.checkpoints.steps import Fitted, Resized, Step, Tensors

NAME = 'patch_embed.proj.weight'
CHANNEL_RULES = ('mean', 'repeat', 'zero')


def fit_patch_embed(
    tensors: Tensors, shape: tuple[int, ...], in_channels_rule: str | None = None
) -> Fitted:
    """Bring the projection to the encoder's channels and patch size, in this order.

    Args:
        tensors: The file's encoder by PlainViT's names.
        shape: Shape that the encoder's projection has, (embed_dims, in_channels, p, q).
        in_channels_rule: How other channels are made, see :func:`adapt_channels`; not needed where
            the numbers agree.

    Returns:
        The tensors and the steps.

    Raises:
        ValueError: If the channels differ and no rule, or one that does not fit, is given.
    """
    if in_channels_rule not in (None, *CHANNEL_RULES):
        raise ValueError(f'in_channels_rule={in_channels_rule!r}: must be one of {CHANNEL_RULES}')
    kernel, steps = tensors.get(NAME), []
    if kernel is None or kernel.ndim != 4 or len(kernel) != shape[0]:
        return tensors, []  # the check of all tensors tells what is wrong
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
    """Make a patch projection of another number of input channels.

    With 'mean' and 'repeat' the weights are scaled by old / new channels, so that tokens keep their
    size: an image whose channels are all alike gives the same tokens as before (for 'repeat',
    where the new number is a multiple of the old one).

    Args:
        kernel: (C, old_channels, p, q).
        in_channels: Channels wanted.
        rule: 'mean': every channel gets the mean of the old ones (gray images, false colours);
            'repeat': the old ones in turn, R G B R ... (several pictures in one); 'zero': the old
            ones stay, further ones start at zero (RGB and depth), which changes no token at first.

    Returns:
        (C, in_channels, p, q).

    Raises:
        ValueError: If there is no rule, or 'zero' is to drop channels.
    """
    old = kernel.shape[1]
    if rule is None:
        raise ValueError(
            f'input channels {old} in the file, {in_channels} in the encoder: name the rule that '
            f'makes the weights of the channels, in_channels_rule= one of {CHANNEL_RULES}, in '
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
