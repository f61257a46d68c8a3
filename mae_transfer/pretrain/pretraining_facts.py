"""States the facts about a pre-training that no tensor reveals."""

from typing import Any

from torch import nn


def pretraining_facts(masking: Any, target_generator: nn.Module) -> dict[str, Any]:
    """Return what masking and target state about themselves.

    Args:
        masking: The sampler of masks; those registered here have a ``mask_ratio``.
        target_generator: The target.

    Returns:
        In plain containers, where they are known: ``masking``, ``mask_ratio``, ``norm_pix``.
    """
    facts: dict[str, Any] = {}
    if hasattr(masking, 'mask_ratio'):
        facts |= dict(masking=type(masking).__name__, mask_ratio=masking.mask_ratio)
    if hasattr(target_generator, 'norm_pix'):  # targets of pixels
        facts['norm_pix'] = target_generator.norm_pix
    return facts
