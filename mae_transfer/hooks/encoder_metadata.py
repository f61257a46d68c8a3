"""Writes the facts about the encoder into each checkpoint, so that a transfer can check them."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.backbones.timm_vit import TimmViT
from mae_transfer.registry import HOOKS
from mae_transfer.transfer.checkpoint_file import METADATA_KEY
from mae_transfer.transfer.encoder_metadata import encoder_metadata


@HOOKS.register_module()
class EncoderMetadataHook(Hook):
    """Add ``meta['mae_transfer']`` to checkpoints: heads, epsilon, grid and the like.

    Raises:
        ValueError: Before training, if the model has not exactly one PlainViT or TimmViT.
    """

    def before_train(self, runner: Runner) -> None:
        """Refuse a model that this hook cannot describe before hours are spent on it."""
        self._encoder(runner.model)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Describe the encoder in the checkpoint that is about to be written."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        name, encoder = self._encoder(model)
        if isinstance(encoder, TimmViT):
            checkpoint['meta'][METADATA_KEY] = encoder.metadata()
            return
        table = checkpoint['state_dict'].get(f'{name}.pos_embed')
        checkpoint['meta'][METADATA_KEY] = encoder_metadata(encoder, table)

    def _encoder(self, model: nn.Module) -> tuple[str, PlainViT | TimmViT]:
        encoders = [
            item for item in model.named_modules() if isinstance(item[1], PlainViT | TimmViT)
        ]
        if len(encoders) != 1:
            raise ValueError(
                f'EncoderMetadataHook: the model has {len(encoders)} PlainViT or TimmViT, '
                'exactly one is needed; remove the hook from custom_hooks'
            )
        return encoders[0]
