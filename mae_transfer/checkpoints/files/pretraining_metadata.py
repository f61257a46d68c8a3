"""Collects the facts about a model's pre-training for ``meta['mae_transfer']``."""

from typing import Any

from torch import nn


def pretraining_metadata(model: nn.Module) -> dict[str, Any]:
    """Describe the training of a model apart from its encoder.

    Args:
        model: Any model. Pre-training models describe masking, decoder and target in a method of
            this name; for all others only the statistics of the images are known.

    Returns:
        In plain containers: ``norm_pix``, ``masking``, ``mask_ratio``, ``decoder_num_heads``;
        ``mean`` and ``std`` of the images, per channel, from 0 to 255.
    """
    state = getattr(model, 'pretraining_metadata', None)
    facts: dict[str, Any] = {} if state is None else state()
    preprocessor = getattr(model, 'data_preprocessor', None)
    for name in ('mean', 'std'):
        values = getattr(preprocessor, name, None)
        if values is not None:
            facts[name] = [round(float(value), 6) for value in values.flatten()]
    return facts
