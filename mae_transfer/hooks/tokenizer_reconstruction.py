"""Pictures of what a discrete VAE keeps of a picture, while it trains."""

import numpy as np
import torch

from mae_transfer.hooks.reconstruction import ReconstructionHook, draw_columns
from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class TokenizerReconstructionHook(ReconstructionHook):
    """Draw the same few pictures beside what is painted from their tokens, again and again.

    Arguments, files and TensorBoard are those of
    :class:`~mae_transfer.hooks.reconstruction.ReconstructionHook`.
    """

    def _fix_masks(self, model: torch.nn.Module) -> None:
        """Nothing is hidden from a tokenizer."""

    def _draw_grid(self, model: torch.nn.Module) -> np.ndarray:
        painted, _ = model.reconstruct(self._inputs)
        return draw_columns([self._inputs, painted], model.data_preprocessor)
