"""Windows of a token map, for attention that stays local on large images."""

import torch.nn.functional as F
from torch import Tensor


def window_partition(x: Tensor, size: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut a token map into square windows, padded with zeros at the right and the bottom.

    As in ViTDet's released code, padded tokens take part in attention as keys: the caller
    partitions *after* the norm, so they are zero before the projection.

    Args:
        x: Token map, (B, h, w, C).
        size: Side of a window, in tokens.

    Returns:
        Windows, (B * windows, size, size, C), and the padded (h, w).
    """
    b, h, w, c = x.shape
    if h % size or w % size:
        x = F.pad(x, (0, 0, 0, -w % size, 0, -h % size))
    rows, columns = x.shape[1] // size, x.shape[2] // size
    x = x.reshape(b, rows, size, columns, size, c)
    windows = x.transpose(2, 3).reshape(b * rows * columns, size, size, c)
    return windows, (rows * size, columns * size)


def window_unpartition(windows: Tensor, padded: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Put windows back into a token map and crop the padding; inverse of the partition.

    Args:
        windows: (B * windows, size, size, C).
        padded: (h, w) that :func:`window_partition` returned.
        grid: (h, w) of the map before padding.

    Returns:
        (B, h, w, C).
    """
    _, size, _, c = windows.shape
    rows, columns = padded[0] // size, padded[1] // size
    x = windows.reshape(-1, rows, columns, size, size, c)
    x = x.transpose(2, 3).reshape(-1, padded[0], padded[1], c)
    return x[:, : grid[0], : grid[1]]
