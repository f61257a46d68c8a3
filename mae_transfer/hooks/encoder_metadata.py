"""Writes the facts about the encoder into each checkpoint, so that a transfer can check them."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.registry import HOOKS
from mae_transfer.transfer.checkpoint_file import METADATA_KEY
from mae_transfer.transfer.encoder_metadata import encoder_metadata


@HOOKS.register_module()
class EncoderMetadataHook(Hook):
    """Add ``meta['mae_transfer']`` to checkpoints: heads, epsilon, grid and the like.

    Raises:
        ValueError: Before training, if the model has not exactly one PlainViT.
    """

    def before_train(self, runner: Runner) -> None:
        """Refuse a model that this hook cannot describe before hours are spent on it."""
        self._encoder(runner.model)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Describe the encoder in the checkpoint that is about to be written."""
        checkpoint['meta'][METADATA_KEY] = encoder_metadata(self._encoder(runner.model))

    def _encoder(self, model: nn.Module) -> PlainViT:
        encoders = [module for module in model.modules() if isinstance(module, PlainViT)]
        if len(encoders) != 1:
            raise ValueError(
                f'EncoderMetadataHook: the model has {len(encoders)} PlainViT, exactly one is '
                'needed; remove the hook from custom_hooks'
            )
        return encoders[0]
