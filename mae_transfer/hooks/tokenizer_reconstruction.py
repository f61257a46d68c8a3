"""Draws a discrete VAE's reconstructions from tokens during training."""

from typing import Any

import numpy as np

from mae_transfer.hooks.reconstruction import ReconstructionHook, draw_columns
from mae_transfer.registry import HOOKS

TITLES = ('image', 'from its tokens')


@HOOKS.register_module()
class TokenizerReconstructionHook(ReconstructionHook):
    """Draw the same few pictures next to their reconstructions from tokens at regular intervals.

    Arguments, files and TensorBoard are those of
    :class:`~mae_transfer.hooks.reconstruction.ReconstructionHook`.
    """

    def _fix_masks(self, model: Any) -> None:
        """Do nothing: a tokenizer sees the complete picture."""

    def _draw_grid(self, model: Any) -> np.ndarray:
        assert self._inputs is not None, 'before_train fixes the pictures first'
        painted, _ = model.reconstruct(self._inputs)
        return draw_columns([self._inputs, painted], TITLES, model.data_preprocessor)
