"""Loads weights into a tokenizer; every tensor must fit."""

import os

from mmengine.logging import print_log
from torch import nn

from mae_transfer.checkpoints.files.checkpoint_file import read_checkpoint
from mae_transfer.checkpoints.whole_model import account_of_model
from mae_transfer.registry import WEIGHT_INITIALIZERS


@WEIGHT_INITIALIZERS.register_module()
class PretrainedTokenizer:
    """Initializer for a discrete VAE or for DALL-E's encoder.

    ``TokenTarget`` uses it through the registry: ``pretrain`` does not import this package.

    Args:
        checkpoint: A local file or the work dir of a run, see
            :func:`~mae_transfer.checkpoints.files.checkpoint_file.read_checkpoint`.
    """

    def __init__(self, checkpoint: str | os.PathLike) -> None:
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        """Load the tokenizer.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it cannot be read safely, or a tensor is missing, left over or of another
                shape.
        """
        file = read_checkpoint(self.checkpoint)
        account = account_of_model(module, file.tensors, str(file.path))
        unfit = [*account.missing, *account.misshapen, *account.left_over]
        if unfit:
            raise ValueError(
                f'the tokenizer does not fit its config: {account.summary()}. Set the sizes that '
                'it was trained with, or give a checkpoint of these sizes'
            )
        module.load_state_dict(file.tensors)
        print_log(f'PretrainedTokenizer: {account.summary()}', logger='current')
