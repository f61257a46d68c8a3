"""Channel layer norm under a name that configs of heads can use: ``norm_cfg=dict(type=...)``.

Registered as 'ChannelLN': MMPretrain's own 'LN2d' is not seen by MMDetection, and would collide.
"""

import warnings

from timm.layers import LayerNorm2d

from mae_transfer.registry import MODELS

MMCV_DEFAULT_EPS = 1e-5
VITDET_EPS = 1e-6


@MODELS.register_module()
class ChannelLN(LayerNorm2d):
    """:class:`LayerNorm2d` as a norm layer of MMCV, for every ``ConvModule`` of a head.

    Write ``norm_cfg=dict(type='ChannelLN', eps=1e-6)``: MMCV fills in 1e-5 where a ``norm_cfg`` has
    no eps. ViTDet uses 1e-6, so 1e-5 triggers a warning.

    Args:
        num_channels: Channels C of the map.
        eps: Added to the variance.
    """

    _abbr_ = 'ln'  # MMCV names the layer of a ConvModule by it

    def __init__(self, num_channels: int, eps: float = VITDET_EPS) -> None:
        if eps == MMCV_DEFAULT_EPS:
            warnings.warn(
                f'ChannelLN has eps={eps}, which MMCV fills in when norm_cfg names none; ViTDet '
                "uses 1e-6: write norm_cfg=dict(type='ChannelLN', eps=1e-6)",
                stacklevel=2,
            )
        super().__init__(num_channels, eps=eps)
