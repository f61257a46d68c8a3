"""Cut images into rows of pixels, one per patch, and put them together again."""

from collections.abc import Sequence

from torch import Tensor


def patch_grid(image_size: Sequence[int], patch_size: tuple[int, int]) -> tuple[int, int]:
    """Count the rows and columns of patches of an image.

    Args:
        image_size: Height and width of the image, in pixels.
        patch_size: Height and width of a patch, in pixels.

    Raises:
        ValueError: If a side of the image is not a multiple of the patch.
    """
    (height, width), (p, q) = image_size, patch_size
    if height % p or width % q:
        raise ValueError(
            f'the image is {height}x{width} pixels, but both sides must be multiples of the patch '
            f'size {p}x{q}: resize or crop it, or choose another patch_size'
        )
    return height // p, width // q


def patchify(images: Tensor, patch_size: tuple[int, int], channel_first: bool = False) -> Tensor:
    """Cut images into non-overlapping patches.

    The layout (row in patch, column in patch, channel) is that of MAE (He et al. 2021,
    https://arxiv.org/abs/2111.06377), so predictions of its published decoders fit.

    Args:
        images: (B, C, H, W), H and W multiples of the patch size.
        patch_size: Height p and width q of a patch, in pixels.
        channel_first: Whether a row is laid out (channel, row in patch, column in patch) instead,
            as a convolution's weight is, and as IcarusWizard/MAE predicts CIFAR-10.

    Returns:
        One row per patch, row by row of the grid, (B, L, p * q * C).
    """
    b, c = images.shape[:2]
    (p, q), (h, w) = patch_size, patch_grid(images.shape[2:], patch_size)
    x = images.reshape(b, c, h, p, w, q)
    order = (0, 2, 4, 1, 3, 5) if channel_first else (0, 2, 4, 3, 5, 1)
    return x.permute(order).reshape(b, h * w, p * q * c)


def unpatchify(
    patches: Tensor,
    patch_size: tuple[int, int],
    grid: tuple[int, int],
    channel_first: bool = False,
) -> Tensor:
    """Put patches back into images; the inverse of :func:`patchify`.

    Args:
        patches: (B, L, p * q * C).
        patch_size: Height p and width q of a patch, in pixels.
        grid: Rows h and columns w of patches; h * w = L.
        channel_first: Layout of a row, as in :func:`patchify`.

    Returns:
        (B, C, h * p, w * q).

    Raises:
        ValueError: If ``grid`` does not hold L patches.
    """
    b, num_patches, row = patches.shape
    (p, q), (h, w) = patch_size, grid
    if h * w != num_patches:
        raise ValueError(f'grid {h}x{w} holds {h * w} patches, but patches has {num_patches}')
    c = row // (p * q)
    if channel_first:
        x = patches.reshape(b, h, w, c, p, q).permute(0, 3, 1, 4, 2, 5)
    else:
        x = patches.reshape(b, h, w, p, q, c).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(b, c, h * p, w * q)
