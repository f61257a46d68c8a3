"""ViTDet's simple feature pyramid as formulas on a dict of weights, one line per operation.

Weights are named as in a list of the operations: for each of the four levels the 2x2 transposed
convolutions ``up1``, ``up2`` (weight (C_in, C_out, 2, 2), bias), the norm ``mid`` between them,
then ``reduce`` (1x1), ``norm1``, ``smooth`` (3x3), ``norm2``.
"""

import torch
from torch import Tensor


def channel_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-6) -> Tensor:
    """Normalize the channels of each position: (x - mean) / sqrt(biased variance + eps)."""
    mean = x.mean(dim=1, keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=1, keepdim=True)
    return (x - mean) / (variance + eps).sqrt() * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)


def double_size(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """2x2 transposed convolution of stride 2: output (2i + a, 2j + b) sees input (i, j) alone."""
    b, _, h, w = x.shape
    out = torch.einsum('bchw,cokl->bohkwl', x, weight).reshape(b, -1, 2 * h, 2 * w)
    return out + bias.view(1, -1, 1, 1)


def gelu(x: Tensor) -> Tensor:
    """X times the cumulative distribution of the standard normal."""
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """Same-size convolution without bias as a sum over the places of an odd kernel."""
    k = weight.shape[-1]
    h, w = x.shape[-2:]
    padded = torch.nn.functional.pad(x, [k // 2] * 4)
    return sum(
        torch.einsum('bchw,oc->bohw', padded[:, :, i : i + h, j : j + w], weight[:, :, i, j])
        for i in range(k)
        for j in range(k)
    )


def halve(x: Tensor) -> Tensor:
    """Maximum of each 2x2 square; an odd last row or column is left out."""
    h, w = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
    corners = [x[:, :, i:h:2, j:w:2] for i in (0, 1) for j in (0, 1)]
    return torch.stack(corners).amax(dim=0)


def simple_fpn(x: Tensor, levels: list[dict[str, Tensor]]) -> list[Tensor]:
    """Levels of a pyramid with five outputs, from a map x (B, C, H, W)."""
    p = levels
    quadruple = double_size(x, p[0]['up1.weight'], p[0]['up1.bias'])
    quadruple = gelu(channel_norm(quadruple, p[0]['mid.weight'], p[0]['mid.bias']))
    quadruple = double_size(quadruple, p[0]['up2.weight'], p[0]['up2.bias'])
    double = double_size(x, p[1]['up1.weight'], p[1]['up1.bias'])
    outputs = []
    for y, w in zip([quadruple, double, x, halve(x)], p, strict=True):
        y = channel_norm(convolve(y, w['reduce.weight']), w['norm1.weight'], w['norm1.bias'])
        y = channel_norm(convolve(y, w['smooth.weight']), w['norm2.weight'], w['norm2.bias'])
        outputs.append(y)
    outputs.append(outputs[-1][:, :, ::2, ::2])
    return outputs
