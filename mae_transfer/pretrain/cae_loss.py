"""CAE's two losses: decode the hidden patches, and align their latents with the encoder's."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_transfer.registry import MODELS


@MODELS.register_module()
class ContextLoss(nn.Module):
    """Reconstruction plus alignment (Chen et al. 2022, section 3.2).

    Args:
        reconstruction: ``TokenLoss``, ``MaskedPatchLoss``, or a module with
            ``loss(pred, target, mask)``.
        align_weight: Weight of the alignment, lambda; 2 in the paper and in its code. At 0, only
            the reconstruction trains regressor and encoder.
    """

    def __init__(self, reconstruction: dict, align_weight: float = 2.0) -> None:
        super().__init__()
        self.reconstruction = MODELS.build(reconstruction)
        self.align_weight = align_weight

    def loss(
        self, pred: Tensor, target: Tensor, latent: Tensor, latent_target: Tensor
    ) -> dict[str, Tensor]:
        """Compute both terms in float32; the optimizer minimizes their sum.

        Args:
            pred: Decoded hidden patches, (B, M, out_dims).
            target: Tokens (B, M) or values (B, M, out_dims).
            latent: Predicted latents, (B, M, D).
            latent_target: The encoder's own, (B, M, D); no gradient passes.

        Returns:
            ``loss_reconstruction`` and ``loss_alignment``, weight included.
        """
        hidden = torch.ones(pred.shape[:2], device=pred.device)
        distance = F.mse_loss(latent.float(), latent_target.detach().float())
        return {
            'loss_reconstruction': self.reconstruction.loss(pred, target, hidden),
            'loss_alignment': self.align_weight * distance,
        }
