"""Journey 2: a checkpoint becomes a backbone, its maps become a pyramid for the heads."""

from mae_transfer.transfer import runner_checkpoints  # MMEngine's readers, replaced by safe ones
from mae_transfer.transfer.channel_norm import ChannelLN
from mae_transfer.transfer.checkpoint import PretrainedViT, load_pretrained
from mae_transfer.transfer.encoder_metadata import encoder_metadata
from mae_transfer.transfer.load_account import LoadAccount
from mae_transfer.transfer.probes import AttentiveProbe
from mae_transfer.transfer.rescaled_pyramid import RescaledPyramid
from mae_transfer.transfer.simple_fpn import SimpleFPN
from mae_transfer.transfer.tokenizer_checkpoint import PretrainedTokenizer

__all__ = [
    'AttentiveProbe',
    'ChannelLN',
    'LoadAccount',
    'PretrainedTokenizer',
    'PretrainedViT',
    'RescaledPyramid',
    'SimpleFPN',
    'encoder_metadata',
    'load_pretrained',
    'runner_checkpoints',
]
