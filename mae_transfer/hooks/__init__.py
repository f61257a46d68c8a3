"""What watches a run: hooks of MMEngine. No other room imports this one."""

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
