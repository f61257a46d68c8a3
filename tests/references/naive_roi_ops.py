"""RoIAlign and NMS as loops over boxes, bins, samples and pairs: slow and obvious.

RoIAlign: Mask R-CNN (He et al., 2017, https://arxiv.org/abs/1703.06870), section 3.
"""

import math

import torch
from torch import Tensor


def sample_bilinear(feature: Tensor, y: float, x: float) -> Tensor:
    """Read a map (C, H, W) between its pixels; zero more than one pixel outside of it."""
    _, height, width = feature.shape
    if y < -1 or y > height or x < -1 or x > width:
        return feature.new_zeros(feature.shape[0])
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy = 0.0 if top == height - 1 else y - top
    dx = 0.0 if left == width - 1 else x - left
    upper = feature[:, top, left] * (1 - dx) + feature[:, top, right] * dx
    lower = feature[:, bottom, left] * (1 - dx) + feature[:, bottom, right] * dx
    return upper * (1 - dy) + lower * dy


def naive_roi_align(
    x: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Average the samples of every bin: (B, C, H, W) and (K, 5) -> (K, C, *output_size)."""
    bins_y, bins_x = output_size
    boxes = []
    for image, *corners in rois.tolist():
        shift = 0.5 if aligned else 0.0
        x1, y1, x2, y2 = (corner * spatial_scale - shift for corner in corners)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        samples_y = sampling_ratio or math.ceil(height / bins_y)
        samples_x = sampling_ratio or math.ceil(width / bins_x)
        bins = []
        for row in range(bins_y):
            for column in range(bins_x):
                total = x.new_zeros(x.shape[1])
                for i in range(samples_y):
                    for j in range(samples_x):
                        y = y1 + (row + (i + 0.5) / samples_y) * height / bins_y
                        left = x1 + (column + (j + 0.5) / samples_x) * width / bins_x
                        total = total + sample_bilinear(x[int(image)], y, left)
                bins.append(total / (samples_y * samples_x))
        boxes.append(torch.stack(bins, dim=1).view(-1, bins_y, bins_x))
    return torch.stack(boxes)


def naive_nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> list[int]:
    """Take the best box, drop what overlaps it by more than the threshold, and so on."""

    def side(start: float, end: float) -> float:
        return max(end - start + offset, 0.0)

    def iou(a: list[float], b: list[float]) -> float:
        inner = side(max(a[0], b[0]), min(a[2], b[2])) * side(max(a[1], b[1]), min(a[3], b[3]))
        areas = [side(box[0], box[2]) * side(box[1], box[3]) for box in (a, b)]
        return inner / (sum(areas) - inner)

    corners = boxes.tolist()
    left = sorted(range(len(corners)), key=lambda index: -scores[index].item())
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [index for index in left if iou(corners[best], corners[index]) <= iou_threshold]
    return kept
