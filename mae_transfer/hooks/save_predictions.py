"""Writes each test picture with its prediction as a PNG file."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch import Tensor

LEAST_SIDE = 384  # pixels: the frameworks' labels would cover smaller pictures, or be tiny
STYLE = dict(line_width=1, alpha=0.5)  # for visualizers with these arguments: thin and transparent


class SavePredictionsHook(Hook):
    """Write each test picture with its prediction to a folder; no display is needed.

    The frameworks' own hooks differ in where they write, and draw only the pictures of the first
    process. File names are the image paths below the data prefix, with '_' for '/'. Small pictures
    are enlarged.

    Args:
        folder: Destination of the PNG files.
        most: Maximum number of pictures; by default all are drawn.
    """

    def __init__(self, folder: str, most: int | None = None) -> None:
        self.folder = folder
        self.left: float = math.inf if most is None else most

    def before_test(self, runner: Runner) -> None:
        """Set the visualizer's style so that the picture stays visible."""
        for name, value in STYLE.items():
            if hasattr(runner.visualizer, name):
                setattr(runner.visualizer, name, value)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Draw the predictions of one batch."""
        if self.left <= 0:
            return
        gathered = all_gather_object([sample.cpu() for sample in outputs or ()])
        shown = [sample for samples in gathered for sample in samples]
        shown = shown[: int(min(self.left, len(shown)))]
        self.left -= len(shown)  # the same on every process, as all take part in the gather
        if not is_main_process():  # the frameworks' visualizers draw only there
            return
        prefix = runner.test_loop.dataloader.dataset.data_prefix
        images = (
            (prefix.get('img') or prefix.get('img_path') or '.')
            if isinstance(prefix, dict)
            else prefix
        )
        for sample in shown:
            name = os.path.relpath(sample.img_path, images).replace(os.sep, '_')
            out_file = str(Path(self.folder, name).with_suffix('.png'))
            picture, sample = enlarge(mmcv.imread(sample.img_path, channel_order='rgb'), sample)
            draw = getattr(runner.visualizer, 'add_datasample', None)
            if draw is None:  # mmpretrain
                classes = runner.visualizer.dataset_meta.get('classes')
                runner.visualizer.visualize_cls(picture, sample, classes=classes, out_file=out_file)
            else:
                draw(name, picture, data_sample=sample, out_file=out_file)


def enlarge(picture: np.ndarray, sample: BaseDataElement) -> tuple[np.ndarray, BaseDataElement]:
    """Enlarge a small picture and its predictions by an integer factor.

    Args:
        picture: (H, W, 3).
        sample: Labels and predictions: boxes, masks and maps in pixels of the picture.

    Returns:
        Picture and sample; enlarged copies if the shorter side is below ``LEAST_SIDE``.
    """
    factor = math.ceil(LEAST_SIDE / min(picture.shape[:2]))
    if factor == 1:
        return picture, sample
    sample = sample.clone()
    for name, field in sample.items():  # a clone shares its fields
        if isinstance(field, InstanceData):
            setattr(sample, name, _enlarge_instances(field, factor))
        elif isinstance(field, PixelData):
            maps = {key: _repeat(value, factor) for key, value in field.items()}
            setattr(sample, name, PixelData(metainfo=field.metainfo, **maps))
    return _repeat(picture.transpose(2, 0, 1), factor).transpose(1, 2, 0), sample


def _enlarge_instances(instances: InstanceData, factor: int) -> InstanceData:
    instances = instances.clone()
    if 'bboxes' in instances:
        boxes = instances.bboxes  # a tensor, or mmdet's structure that wraps one
        instances.bboxes = getattr(boxes, 'tensor', boxes) * factor
    if 'masks' in instances:
        masks = instances.masks  # a tensor, or mmdet's structure that converts to an array
        masks = masks.to_ndarray() if hasattr(masks, 'to_ndarray') else masks
        instances.masks = _repeat(masks, factor)
    return instances


def _repeat(maps: Any, factor: int) -> Any:
    """Repeat each pixel of a tensor or an array (..., H, W) in both directions."""
    if isinstance(maps, Tensor):
        return maps.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    return maps.repeat(factor, -2).repeat(factor, -1)
