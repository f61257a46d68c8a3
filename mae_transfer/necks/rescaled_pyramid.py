"""Pyramid of the outputs of four blocks, between a ViT and UperNet.

Followed by an FPN, it is also the pyramid of the benchmark of plain ViTs in Mask R-CNN
(https://arxiv.org/abs/2111.11429, sec. 2.2).
"""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mae_transfer.necks.rescale import Downsample2x, upsample_2x, upsample_4x
from mae_transfer.registry import MODELS


@MODELS.register_module()
class RescaledPyramid(BaseModule):
    """Bring four maps of stride p to strides p/4, p/2, p and 2p, width kept.

    As in BEiT's and MAE's UperNet (https://arxiv.org/abs/2111.06377, appendix A.4). Parameter
    names are those of MMSegmentation's ``Feature2Pyramid``; without ``init_cfg``, weights start as
    PyTorch initializes them.

    Args:
        embed_dims: Width of the ViT.
        norm_cfg: Norm between the two steps of the fourfold level. SyncBN is the published one and
            trains on GPUs only; ``dict(type='BN')`` for one process or a CPU,
            ``dict(type='GN', num_groups=32)`` for the Mask R-CNN benchmark.
        init_cfg: MMEngine's. Only the Mask R-CNN benchmark sets it.
    """

    def __init__(
        self,
        embed_dims: int,
        norm_cfg: dict | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if norm_cfg is None:
            norm_cfg = dict(type='SyncBN')
        self.embed_dims = embed_dims
        self.upsample_4x = upsample_4x(embed_dims, embed_dims, embed_dims, norm_cfg)
        self.upsample_2x = upsample_2x(embed_dims, embed_dims)
        self.identity = nn.Identity()
        self.downsample_2x = Downsample2x()

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rescale each map.

        Args:
            inputs: Four maps from shallow to deep, each (B, embed_dims, H, W), any H, W.

        Returns:
            Maps of 4H x 4W, 2H x 2W, H x W and H//2 x W//2 (1 at least).

        Raises:
            ValueError: If there are not four maps, or one has another width.
        """
        if len(inputs) != 4:
            raise ValueError(
                f'{len(inputs)} maps came in, four are needed: give the backbone four out_indices'
            )
        for index, x in enumerate(inputs):
            if x.ndim != 4 or x.shape[1] != self.embed_dims:
                raise ValueError(
                    f'inputs[{index}] has shape {tuple(x.shape)}: must be '
                    f'(B, {self.embed_dims}, H, W), since embed_dims is the width of the backbone'
                )
        rescales = (self.upsample_4x, self.upsample_2x, self.identity, self.downsample_2x)
        return tuple(rescale(x) for rescale, x in zip(rescales, inputs, strict=True))
