"""Writes facts about encoder and pre-training into each checkpoint, to be checked on loading."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.backbones.timm_vit import TimmViT
from mae_transfer.checkpoints.files.checkpoint_file import METADATA_KEY
from mae_transfer.checkpoints.files.pretraining_metadata import pretraining_metadata
from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class EncoderMetadataHook(Hook):
    """Add ``meta['mae_transfer']`` to checkpoints: heads, epsilon, grid, targets and the like.

    Raises:
        ValueError: Before training, if the model has not exactly one PlainViT or TimmViT.
    """

    def before_train(self, runner: Runner) -> None:
        """Refuse, before training, a model that this hook cannot describe."""
        self._encoder(runner.model)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the description of the encoder to the checkpoint."""
        model = bare_model(runner)
        name, encoder = self._encoder(model)
        if isinstance(encoder, TimmViT):
            facts = encoder.metadata()
        else:
            facts = encoder.metadata(checkpoint['state_dict'].get(f'{name}.pos_embed'))
        checkpoint['meta'][METADATA_KEY] = facts | pretraining_metadata(model)

    def _encoder(self, model: nn.Module) -> tuple[str, PlainViT | TimmViT]:
        encoders = [
            item for item in model.named_modules() if isinstance(item[1], PlainViT | TimmViT)
        ]
        if len(encoders) != 1:
            raise ValueError(
                f'EncoderMetadataHook: the model has {len(encoders)} PlainViT or TimmViT, but '
                'exactly one is needed; remove the hook from custom_hooks'
            )
        return encoders[0]
