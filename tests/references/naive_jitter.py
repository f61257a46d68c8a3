"""Slow, obvious versions of what Detectron2 does with a picture, its boxes and its polygons."""

import numpy as np
import pycocotools.mask as coco_mask


def naive_size(size: tuple[int, int], target: tuple[int, int], ratio: float) -> tuple[int, int]:
    """``ResizeScale``: the size of a picture that fits into ``ratio`` times ``target``.

    Both are (height, width), in pixels. The sides are rounded to even at .5.
    """
    factor = min(ratio * target[axis] / size[axis] for axis in (0, 1))
    return round(size[0] * factor), round(size[1] * factor)


def naive_offset(size: tuple[int, int], crop: tuple[int, int], number: float) -> tuple[int, int]:
    """``FixedSizeCrop``: first row and first column of a crop, both from one number of 0 to 1."""
    row, column = (round(max(size[axis] - crop[axis], 0) * number) for axis in (0, 1))
    return row, column


def naive_clip(polygon: np.ndarray, height: float, width: float) -> np.ndarray:
    """The part of a convex polygon (2 * N,) inside a rectangle from 0, one border after another."""
    points = polygon.reshape(-1, 2).tolist()
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        kept = []
        for start, end in zip(points, points[1:] + points[:1], strict=True):
            inside = [sign * (point[axis] - limit) >= 0 for point in (start, end)]
            if inside[0]:
                kept.append(start)
            if inside[0] != inside[1]:
                part = (limit - start[axis]) / (end[axis] - start[axis])
                kept.append([a + part * (b - a) for a, b in zip(start, end, strict=True)])
        points = kept
    return np.array(points).reshape(-1)


def naive_jitter(
    polygon: np.ndarray,
    size: tuple[int, int],
    flip: bool,
    new_size: tuple[int, int],
    offset: tuple[int, int],
    crop: tuple[int, int],
) -> np.ndarray:
    """A convex polygon (2 * N,) of a picture after flip, resize and crop; empty if outside."""
    x, y = polygon[0::2], polygon[1::2]
    x = size[1] - x if flip else x
    x = x * new_size[1] / size[1] - offset[1]
    y = y * new_size[0] / size[0] - offset[0]
    height, width = (min(crop[axis], new_size[axis]) for axis in (0, 1))
    return naive_clip(np.stack([x, y], 1).reshape(-1), height, width)


def naive_box(polygon: np.ndarray) -> np.ndarray:
    """The box around a polygon (2 * N,): left, top, right, bottom."""
    points = polygon.reshape(-1, 2)
    return np.concatenate([points.min(0), points.max(0)])


def naive_target(polygon: np.ndarray, box: np.ndarray, side: int = 28) -> np.ndarray:
    """``rasterize_polygons_within_box``: the polygon as pixels of a box, (side, side), 0 and 1."""
    left, top, right, bottom = box
    moved = np.empty_like(polygon)
    moved[0::2] = (polygon[0::2] - left) * side / max(right - left, 0.1)
    moved[1::2] = (polygon[1::2] - top) * side / max(bottom - top, 0.1)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([moved], side, side)))
