"""Draws a masked autoencoder's reconstructions of hidden patches during training."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.distributed.tensor import DTensor
from torchvision.utils import make_grid

from mae_transfer.compat.atomic_write import write_atomically
from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.loops.accumulation import collate_one_pass
from mae_transfer.masking.token_index import mask_from_restore
from mae_transfer.registry import HOOKS

TITLES = ('image', 'visible patches', 'prediction', 'completed')
LEAST_SIDE = 160  # pixels: smaller pictures are enlarged, so that titles fit above them
TITLE_HEIGHT = 24  # pixels


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Draw the same few pictures with the same masks at regular intervals.

    Each row shows the picture, the patches that the encoder sees (hidden ones in the mean color),
    the prediction for every patch, and the picture with its hidden patches replaced by the
    prediction. With per-patch normalized targets the prediction uses the mean and contrast of each
    true patch: it shows structure, not brightness. Small pictures are enlarged.

    Writes ``reconstructions/iter_N.png`` to the work dir and passes the same picture to the
    visualizer, and so to TensorBoard.

    Args:
        num_images: Number of pictures, from the start of the training data.
        interval: Iterations between two drawings; the last iteration is drawn, too.

    Raises:
        ValueError: If ``num_images`` or ``interval`` is below 1.
    """

    priority = 'LOW'

    def __init__(self, num_images: int = 8, interval: int = 1000) -> None:
        for name, value in (('num_images', num_images), ('interval', interval)):
            if value < 1:
                raise ValueError(f'{name}={value}: must be at least 1')
        self.num_images = num_images
        self.interval = interval
        self._inputs: Tensor | None = None
        self._mask: Tensor | None = None

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Choose the pictures and their masks.

        Raises:
            ValueError: The weights are sharded over the processes; this hook runs on one.
        """
        if any(isinstance(parameter, DTensor) for parameter in runner.model.parameters()):
            raise ValueError(
                f'{type(self).__name__} draws on one process, which has only a part of the '
                'weights: remove it from custom_hooks, or train without FullyShardStrategy'
            )
        dataset = runner.train_dataloader.dataset
        samples = [dataset[i] for i in range(min(self.num_images, len(dataset)))]
        model: Any = bare_model(runner)
        batch = collate_one_pass(runner.train_dataloader, samples)
        self._inputs = model.data_preprocessor(batch, training=False)['inputs']
        if not isinstance(self._inputs, Tensor):  # several crops per picture: take the first
            self._inputs = self._inputs[0]
        self._fix_masks(model)
        self._picture(model)  # fail early if the target cannot be drawn

    def _fix_masks(self, model: Any) -> None:
        assert self._inputs is not None, 'before_train fixes the pictures first'
        self._mask = fixed_masks(model, self._inputs)

    @master_only
    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Draw at the interval."""
        if self.every_n_train_iters(runner, self.interval) or runner.iter + 1 == runner.max_iters:
            self.draw(runner)

    def draw(self, runner: Runner) -> None:
        """Draw with the current weights."""
        picture = self._picture(bare_model(runner))
        folder = Path(runner.work_dir, 'reconstructions')
        folder.mkdir(exist_ok=True)
        path = folder / f'iter_{runner.iter + 1}.png'
        _, png = cv2.imencode('.png', picture[..., ::-1])
        write_atomically(path, png.tobytes())
        runner.visualizer.add_image('reconstructions', picture, step=runner.iter + 1)

    def _picture(self, model: Any) -> np.ndarray:
        was_training = model.training
        model.eval()
        picture = self._draw_grid(model)
        model.train(was_training)
        return picture

    def _draw_grid(self, model: Any) -> np.ndarray:
        assert self._inputs is not None, 'before_train fixes the pictures first'
        columns = reconstruction_columns(model, self._inputs, self._mask)
        return draw_columns(columns, TITLES, model.data_preprocessor)


def fixed_masks(model: Any, inputs: Tensor) -> Tensor:
    """Sample masks that are the same in each call.

    Args:
        model: A masked autoencoder.
        inputs: Preprocessed images, (B, 3, H, W).

    Returns:
        (B, L), True = hidden.
    """
    p, q = model.backbone.patch_size
    grid = (inputs.shape[-2] // p, inputs.shape[-1] // q)
    generator = torch.Generator().manual_seed(0)
    ids_keep, _, ids_restore = model.masking(len(inputs), grid, generator=generator)
    return mask_from_restore(ids_restore, ids_keep.shape[1]).to(inputs.device)


def reconstruction_columns(model: Any, inputs: Tensor, mask: Tensor | None) -> list[Tensor]:
    """Compute the columns of :class:`ReconstructionHook`.

    Args:
        model: A masked autoencoder with ``reconstruct``.
        inputs: Preprocessed images, (B, 3, H, W).
        mask: (B, L), True = hidden; random if None.

    Returns:
        The images, their visible parts, the predictions, and the images with their hidden patches
        replaced by the predictions: (B, 3, H, W) each, on the scale of ``inputs``.
    """
    masked, prediction, mask = model.reconstruct(inputs, mask)
    p, q = model.backbone.patch_size
    grid = (inputs.shape[-2] // p, inputs.shape[-1] // q)
    hidden = mask.reshape(-1, 1, *grid).repeat_interleave(p, 2).repeat_interleave(q, 3)
    return [inputs, masked, prediction, torch.where(hidden, prediction, inputs)]


def to_pixels(batch: Tensor, preprocessor: Any) -> Tensor:
    """Undo the normalization of a batch.

    Args:
        batch: Images as the preprocessor returns them, (B, 3, H, W).
        preprocessor: Has ``mean`` and ``std``.

    Returns:
        RGB, (B, 3, H, W), uint8, on the CPU.
    """
    pixels = batch * preprocessor.std + preprocessor.mean
    return pixels.round().clamp(0, 255).to(torch.uint8).cpu()


def draw_columns(columns: Sequence[Tensor], titles: Sequence[str], preprocessor: Any) -> np.ndarray:
    """Draw batches of pictures side by side, each under its title.

    Args:
        columns: Batches as the preprocessor returns them, (B, 3, H, W) each.
        titles: One per batch.
        preprocessor: Its ``mean`` and ``std`` are undone.

    Returns:
        RGB picture of B rows and a column per batch, uint8. Pictures whose shorter side is below
        ``LEAST_SIDE`` are enlarged by an integer factor.
    """
    pixels = to_pixels(torch.stack(list(columns), dim=1).flatten(0, 1), preprocessor)
    factor = math.ceil(LEAST_SIDE / min(pixels.shape[-2:]))
    pixels = pixels.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    grid = make_grid(pixels, nrow=len(columns), padding=2, pad_value=255)
    return _write_above(grid.permute(1, 2, 0).numpy(), titles)


def _write_above(picture: np.ndarray, titles: Sequence[str]) -> np.ndarray:
    """Add a line of evenly spaced titles above a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # imported here: takes 0.25 s
    from matplotlib.figure import Figure

    height, width = picture.shape[0] + TITLE_HEIGHT, picture.shape[1]
    dpi = 72  # a point is a pixel; .01 keeps the size from being rounded down
    figure = Figure(figsize=((width + 0.01) / dpi, (height + 0.01) / dpi), dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    for i, title in enumerate(titles):
        place = dict(x=(i + 0.5) / len(titles), y=1 - 0.5 * TITLE_HEIGHT / height)
        figure.text(**place, s=title, size=14, ha='center', va='center')
    canvas.draw()
    drawn = np.array(canvas.buffer_rgba())[..., :3]
    drawn[TITLE_HEIGHT:] = picture
    return drawn
