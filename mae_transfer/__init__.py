"""mae_transfer: masked pre-training of vision transformers, carried to detection and segmentation.

Importing the package checks the installed stack once, offers RoIAlign and NMS where MMCV was
installed without compiled operators, lets MMEngine write files that are whole or not there, and
registers every part that needs MMEngine alone.
``mae_transfer.pretrain`` registers with MMPretrain and is imported by the configs that use it.
"""

__version__ = '0.1.0'

from mae_transfer.compat import versions

versions.check_versions()  # before anything that needs torch: where it is missing, this says so

from mae_transfer.compat import atomic_write, mmcv_ops  # noqa: E402

mmcv_ops.install()
atomic_write.install()

from mae_transfer import backbones, data, hooks, optim, transfer  # noqa: E402

__all__ = ['__version__', 'backbones', 'data', 'hooks', 'optim', 'transfer']
