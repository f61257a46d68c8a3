"""Which patches a pre-training model hides: the samplers that a config's ``masking`` names."""

from collections.abc import Callable

import torch
from torch import Tensor

from mae_transfer.masking.block_mask import block_mask
from mae_transfer.masking.grid_mask import grid_mask
from mae_transfer.masking.random_mask import count_kept, random_mask
from mae_transfer.masking.token_index import split_by_mask
from mae_transfer.registry import TASK_UTILS

Indices = tuple[Tensor, Tensor, Tensor]


@TASK_UTILS.register_module()
class RandomMasking:
    """Uniformly random patches, MAE's default (He et al. 2021, section 3).

    All samplers take the same arguments and return ``ids_keep``, ``ids_mask`` and ``ids_restore``
    (see :func:`~mae_transfer.masking.random_mask.random_mask`); each image hides the same number.

    Args:
        mask_ratio: Share of hidden patches, in (0, 1).
    """

    def __init__(self, mask_ratio: float = 0.75) -> None:
        self.mask_ratio = mask_ratio

    def __call__(
        self,
        batch_size: int,
        grid: tuple[int, int],
        device: torch.device | str = 'cpu',
        generator: torch.Generator | None = None,
    ) -> Indices:
        """Draw the masks of a batch of images with ``grid`` rows and columns of patches."""
        return random_mask(batch_size, grid[0] * grid[1], self.mask_ratio, device, generator)


@TASK_UTILS.register_module()
class BlockMasking(RandomMasking):
    """Rectangles of patches, as BEiT and CAE hide them; MAE's ablation (section 4.1, table 1f).

    Args:
        mask_ratio: Share of hidden patches, in (0, 1); met exactly, counted as for random masks.
        min_block: Smallest area of a block, in patches.
        max_block: Largest area of a block, in patches; no limit when not given.
        min_aspect: Smallest ratio of height to width, in (0, 1]; the largest is its inverse.
    """

    def __init__(
        self,
        mask_ratio: float = 0.75,
        min_block: int = 16,
        max_block: int | None = None,
        min_aspect: float = 0.3,
    ) -> None:
        super().__init__(mask_ratio)
        self.min_block, self.max_block, self.min_aspect = min_block, max_block, min_aspect

    def __call__(
        self,
        batch_size: int,
        grid: tuple[int, int],
        device: torch.device | str = 'cpu',
        generator: torch.Generator | None = None,
    ) -> Indices:
        """Draw the masks of a batch; see :class:`RandomMasking`."""
        num_patches = grid[0] * grid[1]
        num_masked = num_patches - count_kept(num_patches, self.mask_ratio)
        mask = block_mask(
            batch_size,
            grid,
            num_masked,
            self.min_block,
            self.max_block,
            self.min_aspect,
            device,
            generator,
        )
        return split_by_mask(mask)


@TASK_UTILS.register_module()
class GridMasking(RandomMasking):
    """Three of every four patches in a regular grid; MAE's ablation (section 4.1, table 1f).

    Args:
        mask_ratio: 0.75; a grid has no other.

    Raises:
        ValueError: If ``mask_ratio`` is another.
    """

    def __init__(self, mask_ratio: float = 0.75) -> None:
        if mask_ratio != 0.75:
            raise ValueError(
                f'mask_ratio={mask_ratio}: GridMasking hides three of every four patches, 0.75; '
                'use RandomMasking or BlockMasking for other ratios'
            )
        super().__init__(mask_ratio)

    def __call__(
        self,
        batch_size: int,
        grid: tuple[int, int],
        device: torch.device | str = 'cpu',
        generator: torch.Generator | None = None,
    ) -> Indices:
        """Return the same mask for each image; ``generator`` is not used."""
        return split_by_mask(grid_mask(batch_size, grid, device))


def build_masking(masking: dict, mask_ratio: float) -> Callable[..., Indices]:
    """Build the sampler of a model, which states the ratio itself.

    Raises:
        ValueError: If ``masking`` states a ratio, too.
    """
    if 'mask_ratio' in masking:
        raise ValueError(f'masking={masking}: give mask_ratio to the model, not to masking')
    return TASK_UTILS.build(dict(masking, mask_ratio=mask_ratio))


def mask_indices(
    masking: Callable[..., Indices],
    images: Tensor,
    grid: tuple[int, int],
    mask: Tensor | None = None,
) -> Indices:
    """Indices of the patches that a mask hides: the given mask, or one drawn for each image.

    Args:
        masking: Draws the masks.
        images: (B, C, H, W).
        grid: Rows and columns of patches of an image.
        mask: (B, L), True or 1 = hidden, the same number in each image.

    Returns:
        ``ids_keep``, ``ids_mask`` and ``ids_restore``, see :class:`RandomMasking`.

    Raises:
        ValueError: If ``mask`` belongs to another grid or another number of images.
    """
    h, w = grid
    if mask is None:
        return masking(len(images), grid, images.device)
    if mask.shape != (len(images), h * w):
        raise ValueError(
            f'mask has the shape {tuple(mask.shape)}, but {len(images)} images of {h}x{w} '
            f'patches need ({len(images)}, {h * w})'
        )
    return split_by_mask(mask)
