"""MMEngine hooks that watch a run. Of the other packages, only ``run`` and ``demo`` use them."""

from mae_transfer.hooks.anneal import AnnealHook
from mae_transfer.hooks.atomic_checkpoint import AtomicCheckpointHook
from mae_transfer.hooks.encoder_metadata import EncoderMetadataHook
from mae_transfer.hooks.last_metrics import LastMetricsHook
from mae_transfer.hooks.load_account import LoadAccountHook
from mae_transfer.hooks.reconstruction import ReconstructionHook
from mae_transfer.hooks.tokenizer_reconstruction import TokenizerReconstructionHook

__all__ = [
    'AnnealHook',
    'AtomicCheckpointHook',
    'EncoderMetadataHook',
    'LastMetricsHook',
    'LoadAccountHook',
    'ReconstructionHook',
    'TokenizerReconstructionHook',
]
