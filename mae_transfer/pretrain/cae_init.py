"""Initial weights of a context autoencoder."""

from typing import cast

from torch import Tensor, nn

from mae_transfer.backbones import PlainViT
from mae_transfer.pretrain.cae_neck import ContextNeck

LINEAR_INITS = ('xavier', 'rescaled')


def init_context_autoencoder(encoder: PlainViT, neck: ContextNeck, linear_init: str) -> None:
    """Initialize as CAE's code does.

    The patch projection and both tokens are normal with standard deviation .02, cut at one standard
    deviation; biases are zero. Linear layers are Xavier-uniform or, 'rescaled' as in BEiT, normal
    in the same way, with the last layer of both branches of the i-th block divided by sqrt(2 i); i
    counts from 1 in the encoder, in the regressor and in the decoder. The released code contains
    both and, whatever its options, ends with the first.

    Args:
        encoder: The encoder.
        neck: Regressor and decoder.
        linear_init: 'xavier' or 'rescaled'.
    """
    for module in [*encoder.modules(), *neck.modules()]:
        if isinstance(module, nn.Linear | nn.Conv2d):
            if linear_init == 'xavier' and isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
            else:
                _cut_normal(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if linear_init == 'rescaled':
        for blocks in (encoder.blocks, neck.regressor.blocks, neck.decoder.blocks):
            for i, block in enumerate(blocks, start=1):
                # After i blocks the residual stream is the sum of 2 i branches.
                for name in ('attn.proj', 'mlp.fc2'):
                    cast(nn.Linear, block.get_submodule(name)).weight.data /= (2 * i) ** 0.5
    assert encoder.cls_token is not None, 'check_encoder asks for a class token'
    _cut_normal(encoder.cls_token)
    _cut_normal(neck.regressor.mask_token)


def _cut_normal(tensor: Tensor, std: float = 0.02) -> None:
    nn.init.trunc_normal_(tensor, std=std, a=-std, b=std)
