"""Masked pre-training of vision transformers and transfer to detection and segmentation.

Importing the package calls :func:`mae_transfer.compat.install`, which lists its changes outside the
package, and registers every part that only needs MMEngine.
``mae_transfer.pretrain`` registers with MMPretrain and is imported by the configs that use it.
"""

from mae_transfer.compat import install
from mae_transfer.version import __version__

install()

from mae_transfer import backbones, checkpoints, data, hooks, loops, necks, optim  # noqa: E402

__all__ = ['__version__', 'backbones', 'checkpoints', 'data', 'hooks', 'loops', 'necks', 'optim']
