"""Freezes the first parts of an encoder: its embeddings and its first blocks."""

from typing import TypeVar

from mmengine.model import BaseModule
from torch import nn

Encoder = TypeVar('Encoder', bound='PartlyFrozen')


def count_frozen_blocks(
    num_layers: int, frozen_stages: int, trainable_blocks: float | None = None
) -> float:
    """Count the frozen blocks from the first.

    Args:
        num_layers: Number of blocks in the encoder.
        frozen_stages: Frozen blocks, counted from the first; -1 = not even the embeddings.
        trainable_blocks: Trained blocks, counted from the last, in steps of .5; None defers to
            ``frozen_stages``.

    Returns:
        -1 or the number of frozen blocks; a half is the attention branch of one more block.

    Raises:
        ValueError: If a number is out of range, or both choose the frozen blocks.
    """
    if not -1 <= frozen_stages <= num_layers or frozen_stages % 1:
        raise ValueError(f'frozen_stages={frozen_stages}: must be in [-1, {num_layers}]')
    if trainable_blocks is None:
        return frozen_stages
    if frozen_stages != -1:
        raise ValueError(
            f'frozen_stages={frozen_stages} and trainable_blocks={trainable_blocks} both '
            'choose the frozen blocks: give one of them'
        )
    if not 0 <= trainable_blocks <= num_layers or trainable_blocks % 0.5:
        raise ValueError(
            f'trainable_blocks={trainable_blocks}: must be 0, 0.5, 1, ... {num_layers}'
        )
    return num_layers - trainable_blocks


class PartlyFrozen(BaseModule):
    """Base of encoders of which a part may be frozen; subclasses list that part."""

    def _frozen_parts(self) -> list[nn.Module]:
        """List the modules that are frozen as a whole."""
        raise NotImplementedError

    def _frozen_parameters(self) -> list[nn.Parameter]:
        """List the frozen parameters outside these modules."""
        raise NotImplementedError

    def _freeze(self) -> None:
        for part in self._frozen_parts():
            part.requires_grad_(False)
        for parameter in self._frozen_parameters():
            parameter.requires_grad_(False)

    def train(self: Encoder, mode: bool = True) -> Encoder:
        """Set the training mode; frozen parts stay in evaluation mode (no stochastic depth)."""
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        return self
