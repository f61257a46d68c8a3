"""Pictures of what a masked autoencoder makes of hidden patches, while it trains."""

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from torch import Tensor
from torch.distributed.tensor import DTensor
from torchvision.utils import make_grid

from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.masking.token_index import mask_from_restore
from mae_transfer.optim.accumulation import collate_one_pass
from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Draw the same few pictures under the same masks again and again.

    A row per picture: the picture, what the encoder sees of it (hidden patches in the mean colour),
    the prediction for every patch, and the picture with its hidden patches replaced by the
    prediction. With per-patch normalised targets the prediction borrows mean and contrast of each
    true patch: it shows structure, not brightness.

    Writes ``reconstructions/iter_N.png`` in the work dir and sends the same picture to the
    visualizer, hence to TensorBoard.

    Args:
        num_images: Pictures drawn, from the start of the training data.
        interval: Iterations between two drawings; one more is made at the end.

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
    def before_train(self, runner) -> None:  # noqa: ANN001
        """Fix the pictures and their masks.

        Raises:
            ValueError: The weights are shared out over the processes; this hook runs on one.
        """
        if any(isinstance(parameter, DTensor) for parameter in runner.model.parameters()):
            raise ValueError(
                f'{type(self).__name__} draws on one process, which holds only a part of the '
                'weights: remove it from custom_hooks, or train without FullyShardStrategy'
            )
        dataset = runner.train_dataloader.dataset
        samples = [dataset[i] for i in range(min(self.num_images, len(dataset)))]
        model = bare_model(runner)
        batch = collate_one_pass(runner.train_dataloader, samples)
        self._inputs = model.data_preprocessor(batch, training=False)['inputs']
        if not isinstance(self._inputs, Tensor):  # several crops of each picture: the first
            self._inputs = self._inputs[0]
        self._fix_masks(model)
        self._picture(model)  # a target that cannot be drawn raises now, not hours later

    def _fix_masks(self, model: torch.nn.Module) -> None:
        p, q = model.backbone.patch_size
        ids_keep, _, ids_restore = model.masking(
            len(self._inputs),
            (self._inputs.shape[-2] // p, self._inputs.shape[-1] // q),
            generator=torch.Generator().manual_seed(0),
        )
        mask = mask_from_restore(ids_restore, ids_keep.shape[1])
        self._mask = mask.to(self._inputs.device)

    @master_only
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:  # noqa: ANN001
        """Draw at the interval."""
        if self.every_n_train_iters(runner, self.interval) or runner.iter + 1 == runner.max_iters:
            self.draw(runner)

    def draw(self, runner) -> None:  # noqa: ANN001
        """Draw with the weights of now."""
        picture = self._picture(bare_model(runner))
        folder = Path(runner.work_dir, 'reconstructions')
        folder.mkdir(exist_ok=True)
        path = folder / f'iter_{runner.iter + 1}.png'
        if not cv2.imwrite(str(path), picture[..., ::-1]):
            raise OSError(f'cannot write {path}')
        runner.visualizer.add_image('reconstructions', picture, step=runner.iter + 1)

    def _picture(self, model: torch.nn.Module) -> np.ndarray:
        was_training = model.training
        model.eval()
        picture = self._draw_grid(model)
        model.train(was_training)
        return picture

    def _draw_grid(self, model: torch.nn.Module) -> np.ndarray:
        return reconstruction_grid(model, self._inputs, self._mask)


def reconstruction_grid(model: torch.nn.Module, inputs: Tensor, mask: Tensor | None) -> np.ndarray:
    """Draw picture, masked picture, prediction and completed picture side by side.

    Args:
        model: A masked autoencoder with ``reconstruct``.
        inputs: Preprocessed images, (B, 3, H, W).
        mask: (B, L), True = hidden; random if None.

    Returns:
        RGB picture of B rows and four columns, uint8.
    """
    masked, prediction, mask = model.reconstruct(inputs, mask)
    p, q = model.backbone.patch_size
    grid = (inputs.shape[-2] // p, inputs.shape[-1] // q)
    hidden = mask.reshape(-1, 1, *grid).repeat_interleave(p, 2).repeat_interleave(q, 3)
    completed = torch.where(hidden, prediction, inputs)
    return draw_columns([inputs, masked, prediction, completed], model.data_preprocessor)


def draw_columns(columns: list[Tensor], preprocessor: torch.nn.Module) -> np.ndarray:
    """Draw batches of pictures side by side.

    Args:
        columns: Batches as the preprocessor makes them, (B, 3, H, W) each.
        preprocessor: Its ``mean`` and ``std`` are undone.

    Returns:
        RGB picture of B rows and a column per batch, uint8.
    """
    pixels = torch.stack(columns, dim=1).flatten(0, 1) * preprocessor.std + preprocessor.mean
    pixels = pixels.round().clamp(0, 255).to(torch.uint8).cpu()
    return make_grid(pixels, nrow=len(columns), padding=2, pad_value=255).permute(1, 2, 0).numpy()
