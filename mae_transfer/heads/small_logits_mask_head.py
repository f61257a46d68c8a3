"""A mask head whose first predictions are all close to one half, as in Detectron2."""

from mmdet.models import FCNMaskHead
from mmdet.registry import MODELS
from mmengine.model import kaiming_init, normal_init


@MODELS.register_module()
class SmallLogitsMaskHead(FCNMaskHead):
    """MMDetection's mask head; its last layer starts with a standard deviation of .001.

    As Detectron2's ``MaskRCNNConvUpsampleHead``. MMDetection initializes this layer like those
    before it (.157 for 80 classes) and takes no ``init_cfg`` for this head; in a cascade it leaves
    this layer and the upsampling as PyTorch initializes them. Parameter names are the same, so
    checkpoints fit both heads.

    Args: see MMDetection's ``FCNMaskHead``.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._init_last_layers()  # nobody calls init_weights of the mask heads of a cascade

    def init_weights(self) -> None:
        """Initialize the head."""
        super().init_weights()
        self._init_last_layers()

    def _init_last_layers(self) -> None:
        kaiming_init(self.upsample)  # normal, fan out
        normal_init(self.conv_logits, std=0.001)
