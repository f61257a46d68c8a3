"""An RPN head with a norm after each hidden convolution; MMDetection's head takes none."""

from mmcv.cnn import ConvModule
from mmdet.models import RPNHead
from mmdet.registry import MODELS
from torch import nn


@MODELS.register_module()
class RPNHeadWithNorm(RPNHead):
    """Region proposal network whose hidden convolutions are each followed by a norm and a ReLU.

    ViTDet's paper describes it (Li et al. 2022, https://arxiv.org/abs/2203.16527, A.2). Its
    released configs, and the default ones here, have no norm.

    Args:
        *args: Of MMDetection's ``RPNHead``.
        norm_cfg: The norm, such as ``dict(type='ChannelLN', eps=1e-6)``.
        **kwargs: Of MMDetection's ``RPNHead``; ``num_convs`` = hidden convolutions.
    """

    def __init__(self, *args: object, norm_cfg: dict, **kwargs: object) -> None:
        self.norm_cfg = norm_cfg  # before the base class, whose __init__ builds the layers
        super().__init__(*args, **kwargs)

    def _init_layers(self) -> None:
        """Build the head, then its hidden convolutions anew."""
        super()._init_layers()
        widths = [self.in_channels] + [self.feat_channels] * self.num_convs
        self.rpn_conv = nn.Sequential(
            *(
                ConvModule(before, after, 3, padding=1, norm_cfg=self.norm_cfg, inplace=False)
                for before, after in zip(widths[:-1], widths[1:], strict=True)
            )
        )
