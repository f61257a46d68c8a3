"""Wraps any ViT of timm as a backbone for detectors and segmentors."""

import logging
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch.nn.functional as F
from mmengine.logging import print_log
from safetensors import SafetensorError
from timm.models import beit, load_state_dict, model_entrypoint
from torch import Tensor, nn

from mae_transfer.backbones.arch import block_indices, check_drop_path_rate, check_images
from mae_transfer.backbones.freezing import PartlyFrozen, count_frozen_blocks
from mae_transfer.backbones.layer_depth import layer_depth
from mae_transfer.backbones.timm_weights import check_timm_name, find_timm_weights
from mae_transfer.layers.rel_pos import table_bias
from mae_transfer.registry import MODELS
from mae_transfer.version import __version__

# Module of timm that defines the architecture -> arguments that allow images of any size
DYNAMIC = dict(dynamic_img_size=True)
FAMILIES = {
    'vision_transformer': DYNAMIC,  # vit_*, deit3_*, flexivit_*, DINOv2, with register tokens
    'vision_transformer_hybrid': DYNAMIC,  # vit_* after a small convolutional network
    'deit': DYNAMIC,
    'eva': DYNAMIC,  # eva_*, eva02_*, vit_*_rope_*, DINOv3
    'vision_transformer_sam': {},  # interpolates its positions without an option
    'beit': {},  # these two get the bias of the current grid from GRID_BIAS below
    'vision_transformer_relpos': {},
}
EMBEDDINGS = (
    'cls_token', 'dist_token', 'reg_token', 'mask_token', 'pos_embed', 'patch_embed', 'norm_pre',
)  # fmt: skip

# Errors of torch.load, safetensors and timm for files that are truncated, invalid or contain code
UNREADABLE = (
    AttributeError, EOFError, KeyError, RuntimeError, TypeError, ValueError,
    pickle.UnpicklingError, SafetensorError,
)  # fmt: skip


@MODELS.register_module()
class TimmViT(PartlyFrozen):
    """A ViT of timm (https://github.com/huggingface/pytorch-image-models): maps for any image size.

    Absolute positions, rotary positions and tables of relative position adapt to the size of each
    image. Class, distillation and register tokens take part in attention, but are not in the maps.
    Absolute positions are interpolated as in timm, with antialiasing, and tables of relative
    position as in BEiT. Heads of timm's model and blocks after the last output are removed.

    To use it in a recipe, write a config that replaces the backbone; necks fit unchanged if the
    width is the same (768 for base)::

        _base_ = './mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py'
        model = dict(
            data_preprocessor=dict(mean=[...], std=[...]),  # TimmViT logs them
            backbone=dict(
                _delete_=True,
                type='TimmViT',
                model_name='vit_base_patch16_dinov3',
                pretrained=True,
                final_norm=False,
                drop_path_rate=0.1,
            ),
        )

    Args:
        model_name: timm's name, with or without a tag for the weights:
            'vit_base_patch16_224.augreg_in21k', 'eva02_base_patch14_224', 'beit_base_patch16_224'.
        pretrained: False = random; True = timm's weights of this name from the local caches
            (nothing is downloaded); a path = a file with timm's or FAIR's names.
        img_size: Side or (height, width), in pixels, that positions are stored for; pre-trained
            ones are resized to it once. By default the size of the pre-training.
        in_channels: Channels of the image; if not 3, timm adapts the pre-trained projection.
        out_indices: Index or indices of the blocks to return; negative ones count from the end.
        final_norm: Whether to apply the final layer norm to the last block's output.
        drop_path_rate: Stochastic depth of the last block; the rate grows linearly from 0.
        frozen_stages: -1 freezes nothing; k >= 0 freezes the embeddings and the first k blocks and,
            if these are all blocks, everything.
        with_cp: Whether to recompute activations in the backward pass to save memory.
        model_args: Further arguments of timm's model, such as ``dict(patch_size=8)``.
        init_cfg: For MMEngine's initializers; use ``pretrained`` to load weights.

    Raises:
        ValueError: The name is unknown or not a ViT, an argument is out of range, the file
            cannot be read or does not fit, or ``final_norm`` is set for a model without one.
        FileNotFoundError: The weights are not on this machine.
    """

    model: Any  # timm's families of ViT have no common base class

    def __init__(
        self,
        model_name: str,
        pretrained: bool | str | os.PathLike = False,
        img_size: int | Sequence[int] | None = None,
        in_channels: int = 3,
        *,
        out_indices: int | Sequence[int] = -1,
        final_norm: bool = True,
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool = False,
        model_args: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if isinstance(init_cfg, dict) and init_cfg.get('type') == 'PretrainedViT':
            raise ValueError(
                "init_cfg type='PretrainedViT' loads a PlainViT; a TimmViT takes the file as "
                f'pretrained={init_cfg.get("checkpoint")!r}'
            )
        check_drop_path_rate(drop_path_rate)
        arguments = dict(model_args or {}, in_chans=in_channels, drop_path_rate=drop_path_rate)
        if img_size is not None:
            arguments['img_size'] = img_size if isinstance(img_size, int) else tuple(img_size)
        self.model_name, self.in_channels = model_name, in_channels
        self.model = _build(model_name, pretrained, arguments)
        self.embed_dims, self.num_layers = self.model.embed_dim, len(self.model.blocks)
        self.num_prefix_tokens = getattr(self.model, 'num_prefix_tokens', 0)
        ratio = self.model.patch_embed.feat_ratio(as_scalar=False)
        self.patch_size = (ratio, ratio) if isinstance(ratio, int) else tuple(ratio)
        self.out_indices = block_indices(out_indices, self.num_layers, 'out_indices')
        if not self.out_indices:
            raise ValueError('out_indices=(): must name at least one block')
        self.frozen_blocks = int(count_frozen_blocks(self.num_layers, frozen_stages))
        self.with_cp = with_cp

        last_is_out = self.out_indices[-1] == self.num_layers - 1
        self.final_norm = final_norm and last_is_out
        if self.final_norm and isinstance(getattr(self.model, 'norm', None), nn.Identity | None):
            raise ValueError(
                f'final_norm=True: {model_name} has no layer norm for its patch tokens (it may '
                'normalize their mean instead); set final_norm=False'
            )
        self.model.prune_intermediate_layers(
            list(self.out_indices), prune_norm=not self.final_norm, prune_head=True
        )
        self._follow_grid()
        self.model.set_grad_checkpointing(with_cp)
        self._freeze()

    # ---- construction ----------------------------------------------------------------------

    def _follow_grid(self) -> None:
        """Allow images of any size, and adapt tables of relative position to their grid."""
        self.model.patch_embed.strict_img_size = False
        self._grid_bias: list[Any] = []
        for module in self.model.modules():
            if type(module) in GRID_BIAS:
                # Only methods differ: changing the class keeps the tensors and their names.
                module.__class__ = GRID_BIAS[type(module)]
                self._grid_bias.append(module)

    def _frozen_parts(self) -> list[nn.Module]:
        if self.frozen_blocks < 0:
            return []
        if self.frozen_blocks == self.num_layers:
            return [self.model]
        parts = [getattr(self.model, name, None) for name in ('patch_embed', 'norm_pre')]
        parts += self.model.blocks[: self.frozen_blocks]
        return [part for part in parts if part is not None]

    def _frozen_parameters(self) -> list[nn.Parameter]:
        if self.frozen_blocks < 0:
            return []
        own = self.model.named_parameters(recurse=False)
        return [parameter for name, parameter in own if name in EMBEDDINGS]

    def init_weights(self) -> None:
        """Run ``init_cfg``; timm has already initialized or loaded its model."""
        self.model.is_init = True  # keeps MMEngine from calling init_weights of timm's model
        super().init_weights()

    # ---- what optimizers and checkpoints ask -----------------------------------------------

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Return the depth of a parameter, for layer-wise learning-rate decay.

        Args:
            param_name: Name of the parameter.
            prefix: Prefix of this backbone in the model, such as 'backbone.'.

        Returns:
            The depth and the number of depths, ``num_layers + 2``: 0 = embeddings, i + 1 = block i,
            ``num_layers + 1`` = final norm, what all blocks share (a table of relative position,
            rotary frequencies) and everything outside the backbone.
        """
        return layer_depth(param_name, f'{prefix}model.', self.num_layers, EMBEDDINGS)

    def no_weight_decay(self) -> set[str]:
        """Return the parameters, besides 1-D ones, that timm exempts from decay."""
        own = dict(self.named_parameters())
        return {f'model.{name}' for name in self.model.no_weight_decay()} & own.keys()

    def metadata(self) -> dict:
        """Describe the encoder in plain containers, for ``checkpoint['meta']['mae_transfer']``."""
        block, patch_embed = self.model.blocks[0], self.model.patch_embed
        act = getattr(block.mlp, 'act', block.mlp)
        is_gelu = isinstance(act, nn.GELU) and act.approximate == 'none'
        return dict(
            version=__version__,
            timm_model=self.model_name,
            timm_version=timm.__version__,
            embed_dims=self.embed_dims,
            num_layers=self.num_layers,
            num_heads=block.attn.num_heads,
            norm_eps=block.norm1.eps,
            in_channels=self.in_channels,
            patch_size=list(self.patch_size),
            img_size=list(patch_embed.img_size),
            pos_grid=list(patch_embed.grid_size),
            num_prefix_tokens=self.num_prefix_tokens,
            layer_scale=any('gamma' in name for name, _ in block.named_parameters()),
            act='gelu' if is_gelu else type(act).__name__,
        )

    # ---- forward ---------------------------------------------------------------------------

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x: (B, in_channels, H, W), any H and W: padded with zeros to whole patches.

        Returns:
            One map per index of ``out_indices``, (B, C, ceil(H / p), ceil(W / q)).

        Raises:
            ValueError: If ``x`` has another number of channels than ``in_channels``.
        """
        check_images(x, self.in_channels)
        (p, q), (height, width) = self.patch_size, x.shape[-2:]
        x = F.pad(x, (0, -width % q, 0, -height % p))
        for module in self._grid_bias:
            module.set_grid((x.shape[-2] // p, x.shape[-1] // q))
        maps = self.model.forward_intermediates(
            x, indices=list(self.out_indices), stop_early=True, intermediates_only=True
        )
        if self.final_norm:
            maps[-1] = self.model.norm(maps[-1].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return tuple(m.contiguous() for m in maps)


# ---- weights -------------------------------------------------------------------------------


def _build(model_name: str, pretrained: bool | str | os.PathLike, arguments: dict) -> Any:
    """Create timm's model; weights are loaded completely, including the head, or not at all."""
    check_timm_name(model_name)
    family = model_entrypoint(model_name.partition('.')[0]).__module__.rpartition('.')[2]
    if family not in FAMILIES:
        raise ValueError(
            f'model_name={model_name!r} is not a plain ViT: TimmViT takes models from '
            f'timm.models.{{{", ".join(FAMILIES)}}}, but this one is from timm.models.{family}'
        )
    arguments = arguments | FAMILIES[family]
    if pretrained is False:
        return timm.create_model(model_name, pretrained=False, num_classes=0, **arguments)

    path = find_timm_weights(model_name) if pretrained is True else Path(pretrained).expanduser()
    tensors = _read(path)
    # With the file's own head timm loads strictly; without it, timm would skip missing tensors.
    head = tensors.get('head.weight')
    num_classes = 0 if head is None else len(head)
    overlay = dict(state_dict=tensors, num_classes=num_classes, custom_load=False)
    try:
        model: Any = timm.create_model(
            model_name,
            pretrained=True,
            pretrained_cfg_overlay=overlay,
            num_classes=num_classes,
            **arguments,
        )
    except (RuntimeError, KeyError, AttributeError) as error:
        reason = ' '.join(str(error).split())
        raise ValueError(f'{path} does not fit {model_name}: {reason}') from error
    cfg = model.pretrained_cfg
    cfg.pop('state_dict')
    mean, std = ([round(255 * value, 3) for value in cfg[key]] for key in ('mean', 'std'))
    print_log(
        f'TimmViT: {model_name} from {path}: {len(model.state_dict())} tensors loaded; it was '
        f'trained on images with mean={mean}, std={std} (0 to 255, RGB)',
        logger='current',
        level=logging.INFO,
    )
    return model


def _read(path: Path) -> dict[str, Tensor]:
    """Read named tensors without running code in the file, and drop MAE's decoder.

    timm takes ``mask_token`` as a sign of DINOv2 and would convert the file as such a model.
    """
    if not path.is_file():
        raise FileNotFoundError(f'pretrained={str(path)!r}: there is no such file')
    try:
        content = load_state_dict(str(path), weights_only=True)
    except UNREADABLE as error:
        reason = str(error).strip().partition('\n')[0]
        raise ValueError(
            f'{path} is not a file of tensors that can be read safely: {reason}'
        ) from error
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:  # timm would ignore the empty file and download its own
        raise ValueError(f'{path} contains no named tensors')
    if any(name.startswith('decoder_') for name in tensors):
        tensors = {
            name: tensor
            for name, tensor in tensors.items()
            if name != 'mask_token' and not name.startswith('decoder_')
        }
    return tensors


# ---- relative position on any grid -----------------------------------------------------------


class GridBias:
    """Mixin for timm's modules with tables of relative position: computes the bias of any grid."""

    window_size: Any
    relative_position_bias_table: Any
    grid: tuple[int, int] | None = None

    def set_grid(self, grid: tuple[int, int]) -> None:
        """Choose rows and columns of the patches for the next forward pass."""
        self.grid = grid

    def grid_bias(self, num_prefix_tokens: int) -> Tensor:
        """Return the attention bias of the chosen grid, (1, heads, N, N)."""
        window = (self.window_size[0], self.window_size[1])
        table = self.relative_position_bias_table
        return table_bias(table, window, self.grid or window, num_prefix_tokens)


class GridBeitAttention(GridBias, beit.Attention):
    """BEiT's attention, with a table per block, on any grid."""

    def _get_rel_pos_bias(self) -> Tensor:
        return self.grid_bias(num_prefix_tokens=1)


class GridBeitBias(GridBias, beit.RelativePositionBias):
    """BEiT's table shared by all blocks, on any grid."""

    def forward(self) -> Tensor:
        """Return the bias, (heads, N, N)."""
        return self.grid_bias(num_prefix_tokens=1)[0]


class GridRelPosBias(GridBias, timm.layers.RelPosBias):
    """The table of timm's ``vit_relpos_*``, on any grid."""

    def get_bias(self) -> Tensor:
        """Return the bias, (1, heads, N, N)."""
        return self.grid_bias(self.prefix_tokens)


class GridRelPosMlp(timm.layers.RelPosMlp):
    """The MLP of relative positions of timm's ``vit_relpos_*``, which has no table to resize."""

    def set_grid(self, grid: tuple[int, int]) -> None:
        """Choose rows and columns of the patches for the next forward pass."""
        self.set_window_size(grid)


GRID_BIAS = {
    beit.Attention: GridBeitAttention,
    beit.RelativePositionBias: GridBeitBias,
    timm.layers.RelPosBias: GridRelPosBias,
    timm.layers.RelPosMlp: GridRelPosMlp,
}
