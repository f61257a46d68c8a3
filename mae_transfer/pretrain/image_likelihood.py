"""Reconstruction terms of a discrete VAE: how well predicted maps explain a picture."""

import torch
from torch import Tensor, nn

from mae_transfer.registry import MODELS


def standardize(images: Tensor) -> Tensor:
    """DALL-E's range [0.1, 0.9] -> [-1, 1]: its middle is 0.5, half its width 0.4."""
    return (images - 0.5) / 0.4


@MODELS.register_module()
class SquaredErrorLikelihood(nn.Module):
    """Mean squared error on the scale [-1, 1], as BEiT's code trains its own tokenizer."""

    maps_per_channel = 1

    def loss(self, maps: Tensor, images: Tensor) -> Tensor:
        """Compute the mean over all values, in float32.

        Args:
            maps: The decoder's, (B, C, H, W).
            images: (B, C, H, W), in DALL-E's range.

        Returns:
            A scalar.
        """
        return (maps.float() - standardize(images.float())).square().mean()

    def to_images(self, maps: Tensor) -> Tensor:
        """Expected picture in DALL-E's range, (B, C, H, W), float32."""
        return (maps.float() * 0.4 + 0.5).clamp(0.1, 0.9)


@MODELS.register_module()
class LogitLaplaceLikelihood(nn.Module):
    """DALL-E's likelihood of pixels (Ramesh et al. 2021, appendix A.3).

    The logit of a value x in (0, 1) has a Laplace distribution with mean mu and scale b:

        p(x) = exp(-|logit(x) - mu| / b) / (2 b x (1 - x))

    The decoder gives mu and ln(b) for each value.
    """

    maps_per_channel = 2

    def loss(self, maps: Tensor, images: Tensor) -> Tensor:
        """Compute the mean of -ln p over all values, in nats and float32.

        Args:
            maps: The decoder's, (B, 2 C, H, W): first all mu, then all ln(b).
            images: (B, C, H, W), in DALL-E's range.

        Returns:
            A scalar; it is below 0 where the density is above 1.
        """
        mu, log_scale = maps.float().chunk(2, dim=1)
        x = images.float()  # at least 0.1 from 0 and 1, so its logit is finite
        distance = (torch.logit(x) - mu).abs() * torch.exp(-log_scale)
        return (distance + log_scale + torch.log(2 * x * (1 - x))).mean()

    def to_images(self, maps: Tensor) -> Tensor:
        """Median picture, sigmoid(mu), kept in DALL-E's range; (B, C, H, W), float32."""
        mu, _ = maps.float().chunk(2, dim=1)
        return torch.sigmoid(mu).clamp(0.1, 0.9)
