"""Mixup and CutMix of each picture with the one at the mirrored place of the batch, as in timm.

MAE's and CAE's fine-tuning use timm's, in its mode 'batch'. MMPretrain's draw a random order of the
batch instead, in which a picture may meet itself. They register with MMPretrain; configs that use
them list this module in ``custom_imports``.
"""

import numpy as np
from mmpretrain.models import CutMix, Mixup
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor


@BATCH_AUGMENTS.register_module()
class FlippedMixup(Mixup):
    """Mixup (Zhang et al. 2017, https://arxiv.org/abs/1710.09412) with the flipped batch.

    The mean of two pictures with the weights lambda ~ Beta(alpha, alpha) and 1 - lambda, one lambda
    for the batch, and that of their targets. In a batch of odd size, the picture in the middle
    stays as it is.

    Args:
        alpha: Of the Beta distribution.
    """

    def mix(self, batch_inputs: Tensor, batch_scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mix pictures (B, C, H, W) and targets (B, classes)."""
        lam = np.random.beta(self.alpha, self.alpha)
        return _mean(batch_inputs, lam), _mean(batch_scores, lam)


@BATCH_AUGMENTS.register_module()
class FlippedCutMix(CutMix):
    """CutMix (Yun et al. 2019, https://arxiv.org/abs/1905.04899) with the flipped batch.

    A box is pasted into each picture, from the same place of its partner; targets are mixed by the
    area of the box within the picture. The box is MMPretrain's, and that of timm 0.3.2, which MAE's
    and CAE's code require: an odd side loses a pixel. Newer releases of timm keep it.

    Args:
        alpha: Of the Beta distribution of the share that is kept.
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
