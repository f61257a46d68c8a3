"""Reads checkpoints, recognizes their layout, fits them to the encoder, and exports them.

``files`` turns a path into named tensors; ``layouts`` identifies the source's naming scheme and the
parts of the model; ``fit`` loads them into a ``PlainViT``; ``export`` writes them for other
libraries.
"""

from mae_transfer.checkpoints.fit.account import LoadAccount
from mae_transfer.checkpoints.pretrained import PretrainedViT, load_pretrained
from mae_transfer.checkpoints.pretrained_tokenizer import PretrainedTokenizer

__all__ = [
    'LoadAccount',
    'PretrainedTokenizer',
    'PretrainedViT',
    'load_pretrained',
]
