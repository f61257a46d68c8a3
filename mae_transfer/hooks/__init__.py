"""MMEngine hooks that watch a run. Of the other packages, only ``run`` and ``demo`` use them."""

from mae_transfer.hooks.anneal import AnnealHook
from mae_transfer.hooks.atomic_checkpoint import AtomicCheckpointHook
from mae_transfer.hooks.bad_files import BadFilesHook
from mae_transfer.hooks.encoder_metadata import EncoderMetadataHook
from mae_transfer.hooks.last_metrics import LastMetricsHook
from mae_transfer.hooks.load_account import LoadAccountHook
from mae_transfer.hooks.nonfinite_guard import NonFiniteGuardHook
from mae_transfer.hooks.preemption import PreemptionHook
from mae_transfer.hooks.random_state import RandomStateHook
from mae_transfer.hooks.reconstruction import ReconstructionHook
from mae_transfer.hooks.tokenizer_reconstruction import TokenizerReconstructionHook

__all__ = [
    'AnnealHook',
    'AtomicCheckpointHook',
    'BadFilesHook',
    'EncoderMetadataHook',
    'LastMetricsHook',
    'LoadAccountHook',
    'NonFiniteGuardHook',
    'PreemptionHook',
    'RandomStateHook',
    'ReconstructionHook',
    'TokenizerReconstructionHook',
]
