"""Writes each test picture with its prediction as a PNG file."""

import math
import os
from pathlib import Path

import mmcv
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook


class SavePredictions(Hook):
    """Write each test picture with its prediction to one folder, without a display.

    The frameworks' own hooks differ in where they write, and draw only what the first process saw.
    File names follow the image's path below the data prefix, with '_' for '/'.

    Args:
        folder: Where the PNG files go.
        most: How many pictures are drawn; all when not given.
    """

    def __init__(self, folder: str, most: int | None = None) -> None:
        self.folder = folder
        self.left = math.inf if most is None else most

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:  # noqa: ANN001
        """Draw the predictions of one batch."""
        if self.left <= 0:
            return
        gathered = all_gather_object([sample.cpu() for sample in outputs or ()])
        shown = [sample for samples in gathered for sample in samples]
        shown = shown[: min(self.left, len(shown))]
        self.left -= len(shown)  # on every process alike: they gather together
        if not is_main_process():  # the visualizers of the frameworks draw nowhere else
            return
        prefix = runner.test_loop.dataloader.dataset.data_prefix
        images = (
            (prefix.get('img') or prefix.get('img_path') or '.')
            if isinstance(prefix, dict)
            else prefix
        )
        for sample in shown:
            picture = mmcv.imread(sample.img_path, channel_order='rgb')
            name = os.path.relpath(sample.img_path, images).replace(os.sep, '_')
            out_file = str(Path(self.folder, name).with_suffix('.png'))
            draw = getattr(runner.visualizer, 'add_datasample', None)
            if draw is None:  # mmpretrain
                classes = runner.visualizer.dataset_meta.get('classes')
                runner.visualizer.visualize_cls(picture, sample, classes=classes, out_file=out_file)
            else:
                draw(name, picture, data_sample=sample, out_file=out_file)
