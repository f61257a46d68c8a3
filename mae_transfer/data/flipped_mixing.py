"""Mixup and CutMix of a batch with the same batch in reverse order, as in timm.

MAE's and CAE's fine-tuning use timm's, in its mode 'batch': picture i of B is mixed with picture
B - 1 - i. MMPretrain pairs pictures by a random permutation, which may pair a picture with itself.
The classes register with MMPretrain; configs that use them list this module in ``custom_imports``.
"""

import numpy as np
from mmpretrain.models import CutMix, Mixup
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor


@BATCH_AUGMENTS.register_module()
class FlippedMixup(Mixup):
    """Mixup (Zhang et al. 2017, https://arxiv.org/abs/1710.09412) with the reversed batch.

    Pictures and targets become lambda * first + (1 - lambda) * second, with one
    lambda ~ Beta(alpha, alpha) for the batch. In a batch of odd size, the picture in the middle
    does not change.

    Args:
        alpha: Parameter of the Beta distribution.
    """

    def mix(self, batch_inputs: Tensor, batch_scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mix pictures (B, C, H, W) and targets (B, classes)."""
        lam = np.random.beta(self.alpha, self.alpha)
        return _mean(batch_inputs, lam), _mean(batch_scores, lam)


@BATCH_AUGMENTS.register_module()
class FlippedCutMix(CutMix):
    """CutMix (Yun et al. 2019, https://arxiv.org/abs/1905.04899) with the reversed batch.

    One box for the batch: each picture gets the box of its partner, and targets are mixed by the
    area of the box within the picture. MMPretrain draws the box as timm 0.3.2 does, which MAE's and
    CAE's code require: an odd side is one pixel shorter. Newer releases of timm keep that pixel.

    Args:
        alpha: Parameter of the Beta distribution of the share that is kept.
        cutmix_minmax: See MMPretrain's ``CutMix``.
        correct_lam: See MMPretrain's ``CutMix``.
    """

    def mix(self, batch_inputs: Tensor, batch_scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mix pictures (B, C, H, W), in place, and targets (B, classes)."""
        lam = np.random.beta(self.alpha, self.alpha)
        (y1, y2, x1, x2), lam = self.cutmix_bbox_and_lam(batch_inputs.shape[-2:], lam)
        batch_inputs[:, :, y1:y2, x1:x2] = batch_inputs[:, :, y1:y2, x1:x2].flip(0)
        return batch_inputs, _mean(batch_scores, lam)


def _mean(batch: Tensor, lam: float) -> Tensor:
    return lam * batch + (1 - lam) * batch.flip(0)
