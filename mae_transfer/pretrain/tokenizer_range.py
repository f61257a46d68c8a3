"""The range of pixels that every tokenizer here takes, DALL-E's: 0..255 -> 0.1..0.9.

One range for all tokenizers means that a target's normalization cannot disagree with the one that
its tokenizer was trained with. In a config of MMPretrain's ``TwoNormDataPreprocessor`` it is
``second_mean=[-31.875] * 3, second_std=[318.75] * 3``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

MARGIN = 0.1  # epsilon of the logit-Laplace likelihood (Ramesh et al. 2021, appendix A.3)
STD = 255 / (1 - 2 * MARGIN)  # 318.75
MEAN = -MARGIN * STD  # -31.875: (0 - MEAN) / STD = 0.1, (255 - MEAN) / STD = 0.9
TOLERANCE = 1e-3


def to_tokenizer_range(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Undo a normalization and map pixels to DALL-E's range.

    Args:
        images: (B, C, H, W), normalized as ``(pixel - mean) / std``.
        mean: One number per channel, in pixel values of 0..255.
        std: The same.

    Returns:
        (B, C, H, W), float32.
    """
    return (images.float() * _column(std, images) + _column(mean, images) - MEAN) / STD


def from_tokenizer_range(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Undo :func:`to_tokenizer_range`."""
    return (images.float() * STD + MEAN - _column(mean, images)) / _column(std, images)


def check_tokenizer_range(images: Tensor) -> None:
    """Raise a ``ValueError`` if pixels lie outside DALL-E's range; waits for a GPU."""
    low, high = (value.item() for value in torch.aminmax(images))
    if low < MARGIN - TOLERANCE or high > 1 - MARGIN + TOLERANCE:
        raise ValueError(
            f'a tokenizer got pixels in [{low:.3f}, {high:.3f}], but takes [{MARGIN}, '
            f'{1 - MARGIN}] (mean {MEAN} and std {STD} of pixel values): set second_mean and '
            'second_std of the data_preprocessor to these, or give image_mean and image_std to '
            'TokenTarget'
        )


def _column(values: Sequence[float], images: Tensor) -> Tensor:
    """(C,) -> (C, 1, 1) on the device of the images."""
    return torch.tensor(values, device=images.device).reshape(-1, 1, 1)
