"""Checkpoints in and out: read a file, recognize its layout, fit it to the encoder, export it.

``files`` turns a path into named tensors, ``layouts`` knows whose names and which parts they are,
``fit`` brings them into a ``PlainViT``, ``export`` writes them for other libraries.
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
