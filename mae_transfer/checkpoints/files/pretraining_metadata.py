"""Facts about a pre-training that no tensor tells; our checkpoints carry them in ``meta``."""

from torch import nn


def pretraining_metadata(model: nn.Module) -> dict:
    """Describe what a masked autoencoder was trained on, as far as the model has such parts.

    Args:
        model: Any model; detectors and classifiers tell the statistics of their images only.

    Returns:
        In plain containers: ``norm_pix``, ``masking``, ``mask_ratio``, ``decoder_num_heads``;
        ``mean`` and ``std`` of the images, per channel, from 0 to 255.
    """
    facts = {}
    norm_pix = getattr(getattr(model, 'target_generator', None), 'norm_pix', None)
    if norm_pix is not None:
        facts['norm_pix'] = bool(norm_pix)
    masking = getattr(model, 'masking', None)
    if isinstance(getattr(masking, 'mask_ratio', None), float):
        facts |= dict(masking=type(masking).__name__, mask_ratio=masking.mask_ratio)
    blocks = getattr(getattr(model, 'neck', None), 'decoder_blocks', None)
    if blocks:
        facts['decoder_num_heads'] = blocks[0].attn.num_heads
    preprocessor = getattr(model, 'data_preprocessor', None)
    for name in ('mean', 'std'):
        values = getattr(preprocessor, name, None)
        if values is not None:
            facts[name] = [round(float(value), 6) for value in values.flatten()]
    return facts
