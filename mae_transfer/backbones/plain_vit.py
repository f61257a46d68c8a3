"""The plain vision transformer that serves both pre-training and tasks.

Pre-training runs its parts on the visible tokens; tasks call ``forward`` and get feature maps.
Parameters have the names of MAE's code and timm, so their files load without renaming.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint

from mae_transfer.backbones.arch import (
    block_indices,
    check_drop_path_rate,
    check_images,
    resolve_arch,
    to_pair,
)
from mae_transfer.backbones.freezing import PartlyFrozen, count_frozen_blocks
from mae_transfer.backbones.layer_depth import layer_depth
from mae_transfer.layers.block import Block
from mae_transfer.layers.patch_embed import PatchEmbed
from mae_transfer.layers.pos_embed import resize_pos_embed, sincos_orders, sincos_pos_embed
from mae_transfer.layers.rel_pos import RelPosBias
from mae_transfer.registry import MODELS
from mae_transfer.version import __version__

POS_EMBEDS = ('learned', 'sincos_xy', 'sincos_yx', None)
REL_POS = (False, 'decomposed', 'table', 'shared_table')
LINEAR_INITS = ('trunc_normal', 'torch')
EMBEDDINGS = ('cls_token', 'reg_token', 'mask_token', 'pos_embed', 'patch_embed')
OUT_TYPES = ('featmap', 'avg', 'cls', 'tokens')


@MODELS.register_module()
class PlainViT(PartlyFrozen):
    """Vision transformer (Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929).

    With ``window_size`` and ``global_blocks`` it is the backbone of ViTDet (Li et al. 2022,
    https://arxiv.org/abs/2203.16527): attention in windows, except in a few global blocks.

    Args:
        arch: 'tiny', 'small', 'base', 'large', 'huge', or a dict with ``embed_dims``,
            ``num_layers``, ``num_heads`` and optionally ``mlp_ratio`` (4).
        img_size: Side or (height, width), in pixels, that the tables of relative position of
            global blocks are made for. Other image sizes are allowed; tables are interpolated.
        patch_size: Side or (height, width) of a patch, in pixels.
        in_channels: Channels of the image.
        pretrain_img_size: Image size that ``pos_embed`` is stored for (ViTDet stores 224's and
            interpolates in each forward pass); ``img_size`` by default.
        with_cls_token: Whether there is a class token. It cannot be combined with windows or
            decomposed relative positions.
        num_register_tokens: Learned tokens without a position between class token and patches,
            ``reg_token`` (Darcet et al. 2023, https://arxiv.org/abs/2309.16588; DINOv2). They
            cannot be combined with windows or relative positions.
        pos_embed: Initial absolute positions: 'learned' (normal, std .02), 'sincos_xy' (MAE's fixed
            table), 'sincos_yx' (MMPretrain's and CAE's), None = no absolute positions.
        cls_pos_embed: Whether ``pos_embed`` has a row for the class token; IcarusWizard/MAE, the
            CIFAR-10 model, has none.
        freeze_pos_embed: Whether to freeze ``pos_embed``; by default sine-cosine tables are frozen
            (as in pre-training) and learned ones are not.
        qkv_bias: True, False or 'no-key' (biases of query and value only).
        layer_scale_init: Initial value of the layer scale; None = no layer scale.
        rel_pos: Relative positions, which all start at zero: False; 'decomposed' or True, vectors
            for rows and for columns in each block (ViTDet); 'table', a number per head and distance
            in each block (BEiT's and CAE's fine-tuning, MAE's UperNet); 'shared_table', one such
            table for all global blocks, ``rel_pos_bias`` (BEiT's pre-training), and one for all
            blocks with windows, ``rel_pos_bias_window`` (both: https://arxiv.org/abs/2111.11429,
            sec. 2.3). All are interpolated if the map has another size.
        window_size: Side of attention windows, in tokens; 0 = all blocks are global.
        global_blocks: Indices of the blocks that attend over the whole map even so.
        drop_path_rate: Stochastic depth of the last block; the rate grows linearly from 0.
        out_indices: Index or indices of the blocks to return; negative ones count from the end.
        final_norm: Whether to apply the final layer norm ``norm`` to the last block's output.
        out_type: What ``forward`` returns per output: 'featmap' (B, C, h, w); 'tokens' (B, N, C);
            'cls' (B, C), the class token; 'avg' (B, C), the mean of the patch tokens, normalized
            by ``fc_norm``, which then replaces ``norm`` (MAE's fine-tuning).
        frozen_stages: -1 freezes nothing; k >= 0 freezes the embeddings and the first k blocks and,
            if these are all blocks, the final norm and shared tables too.
        trainable_blocks: The same, counted from the end as in partial fine-tuning (He et al. 2021,
            https://arxiv.org/abs/2111.06377, fig. 9): the last k blocks are trained, k = 0 is a
            linear probe, and None defers to ``frozen_stages``. Steps are .5: the half is the MLP
            branch (norm, MLP and layer scale) of one more block, whose attention stays frozen.
            ``fc_norm`` is trained for any k.
        with_cp: Whether to recompute activations in the backward pass to save memory.
        norm_eps: Epsilon of the layer norms.
        linear_init: Initialization of the blocks' linear layers: 'trunc_normal' (std .02, zero
            bias: ViT) or 'torch' (PyTorch's default).
        init_cfg: ``dict(type='PretrainedViT', checkpoint=...)`` loads a pre-trained encoder.

    Raises:
        ValueError: If an argument is out of range or two of them cannot be combined.
    """

    cls_token: nn.Parameter | None
    reg_token: nn.Parameter | None
    pos_embed: nn.Parameter | None
    blocks: Any  # a ModuleList of Block; mypy would type its entries as plain modules
    rel_pos_bias: RelPosBias | None
    rel_pos_bias_window: RelPosBias | None
    norm: nn.LayerNorm | None
    fc_norm: nn.LayerNorm | None

    def __init__(
        self,
        arch: str | dict = 'base',
        img_size: int | Sequence[int] = 224,
        patch_size: int | Sequence[int] = 16,
        in_channels: int = 3,
        *,
        pretrain_img_size: int | Sequence[int] | None = None,
        with_cls_token: bool = True,
        num_register_tokens: int = 0,
        pos_embed: str | None = 'learned',
        cls_pos_embed: bool = True,
        freeze_pos_embed: bool | None = None,
        qkv_bias: bool | str = True,
        layer_scale_init: float | None = None,
        rel_pos: bool | str = False,
        window_size: int = 0,
        global_blocks: Sequence[int] = (),
        drop_path_rate: float = 0.0,
        out_indices: int | Sequence[int] = -1,
        final_norm: bool = True,
        out_type: str = 'featmap',
        frozen_stages: int = -1,
        trainable_blocks: float | None = None,
        with_cp: bool = False,
        norm_eps: float = 1e-6,
        linear_init: str = 'trunc_normal',
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        arch = resolve_arch(arch)
        self.embed_dims, self.num_layers = arch['embed_dims'], arch['num_layers']
        self.num_heads, self.norm_eps, self.with_cp = arch['num_heads'], norm_eps, with_cp
        self._set_sizes(img_size, patch_size, pretrain_img_size, in_channels)
        self._set_prefix(with_cls_token, num_register_tokens, cls_pos_embed)
        self._set_attention(rel_pos, window_size, global_blocks)
        self._set_outputs(out_indices, out_type)
        self.frozen_blocks = count_frozen_blocks(self.num_layers, frozen_stages, trainable_blocks)
        check_drop_path_rate(drop_path_rate)
        self._check_arguments(pos_embed, freeze_pos_embed, linear_init)

        self._build_tokens(pos_embed, freeze_pos_embed)
        self._build_blocks(arch['mlp_ratio'], qkv_bias, layer_scale_init, drop_path_rate)
        self._build_norm(final_norm)
        self._reset_parameters(linear_init)
        self._freeze()

    # ---- arguments -------------------------------------------------------------------------

    def _set_sizes(
        self,
        img_size: int | Sequence[int],
        patch_size: int | Sequence[int],
        pretrain_img_size: int | Sequence[int] | None,
        in_channels: int,
    ) -> None:
        self.img_size = to_pair(img_size, 'img_size')
        self.patch_size = to_pair(patch_size, 'patch_size')
        self.in_channels = in_channels
        self.pos_grid = self._grid_of(to_pair(pretrain_img_size or img_size, 'pretrain_img_size'))

    def _set_prefix(
        self, with_cls_token: bool, num_register_tokens: int, cls_pos_embed: bool
    ) -> None:
        self.with_cls_token = with_cls_token
        self.num_register_tokens = num_register_tokens
        self.num_prefix_tokens = int(with_cls_token) + num_register_tokens
        self.num_prefix_positions = int(with_cls_token and cls_pos_embed)

    def _set_attention(
        self, rel_pos: bool | str, window_size: int, global_blocks: Sequence[int]
    ) -> None:
        self.rel_pos = 'decomposed' if rel_pos is True else rel_pos
        self.window_size = window_size
        self.global_blocks = block_indices(global_blocks, self.num_layers, 'global_blocks')

    def _set_outputs(self, out_indices: int | Sequence[int], out_type: str) -> None:
        self.out_indices = block_indices(out_indices, self.num_layers, 'out_indices')
        self.out_type = out_type

    def _grid_of(self, img_size: tuple[int, int]) -> tuple[int, int]:
        """Return the rows and columns of patches of an image, counting partial patches."""
        (height, width), (p, q) = img_size, self.patch_size
        return -(-height // p), -(-width // q)

    def _check_arguments(
        self, pos_embed: str | None, freeze_pos_embed: bool | None, linear_init: str
    ) -> None:
        if pos_embed not in POS_EMBEDS:
            raise ValueError(f'pos_embed={pos_embed!r}: must be one of {POS_EMBEDS}')
        if pos_embed is None and freeze_pos_embed is not None:
            raise ValueError(
                f'freeze_pos_embed={freeze_pos_embed}: there are no absolute positions'
            )
        if self.out_type not in OUT_TYPES:
            raise ValueError(f'out_type={self.out_type!r}: must be one of {OUT_TYPES}')
        if self.out_type == 'cls' and not self.with_cls_token:
            raise ValueError("out_type='cls' needs with_cls_token=True")
        if self.out_type == 'avg' and self.out_indices != (self.num_layers - 1,):
            raise ValueError(f"out_type='avg' takes the last block only, not {self.out_indices}")
        if self.rel_pos not in REL_POS:
            raise ValueError(f'rel_pos={self.rel_pos!r}: must be True or one of {REL_POS}')
        if self.with_cls_token and (self.window_size or self.rel_pos == 'decomposed'):
            raise ValueError(
                'with_cls_token=True cannot be combined with window_size or '
                "rel_pos='decomposed': a class token has no place on the map; set "
                'with_cls_token=False'
            )
        if self.num_register_tokens < 0:
            raise ValueError(f'num_register_tokens={self.num_register_tokens}: must be at least 0')
        if self.num_register_tokens and (self.window_size or self.rel_pos):
            raise ValueError(
                f'num_register_tokens={self.num_register_tokens} cannot be combined with '
                'window_size or rel_pos: a register token has no place on the map'
            )
        if self.global_blocks and not self.window_size:
            raise ValueError(f'global_blocks={self.global_blocks} needs window_size > 0')
        if linear_init not in LINEAR_INITS:
            raise ValueError(f'linear_init={linear_init!r}: must be one of {LINEAR_INITS}')

    # ---- building --------------------------------------------------------------------------

    def _build_tokens(self, pos_embed: str | None, freeze_pos_embed: bool | None) -> None:
        """Build the parts that make tokens: patch embedding, extra tokens, positions."""
        self.patch_embed = PatchEmbed(self.in_channels, self.embed_dims, self.patch_size)
        self.cls_token = self.reg_token = self.pos_embed = None
        if self.with_cls_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))
        if self.num_register_tokens:
            registers = torch.zeros(1, self.num_register_tokens, self.embed_dims)
            self.reg_token = nn.Parameter(registers)
        if pos_embed is None:
            return
        if pos_embed == 'learned':
            length = self.num_prefix_positions + self.pos_grid[0] * self.pos_grid[1]
            table = nn.init.trunc_normal_(torch.empty(1, length, self.embed_dims), std=0.02)
        else:
            order = pos_embed.removeprefix('sincos_')
            table = sincos_pos_embed(
                self.embed_dims, self.pos_grid, order, self.num_prefix_positions
            )
        freeze = pos_embed != 'learned' if freeze_pos_embed is None else freeze_pos_embed
        self.pos_embed = nn.Parameter(table, requires_grad=not freeze)

    def _build_blocks(
        self,
        mlp_ratio: float,
        qkv_bias: bool | str,
        layer_scale_init: float | None,
        drop_path_rate: float,
    ) -> None:
        """Build the blocks, and the tables of relative position that they share."""
        last = max(self.num_layers - 1, 1)
        self.blocks = nn.ModuleList(
            Block(
                self.embed_dims,
                self.num_heads,
                mlp_ratio,
                qkv_bias,
                layer_scale_init,
                drop_path_rate * i / last,
                self.norm_eps,
                num_prefix_tokens=self.num_prefix_tokens,
                **self._attention_span(i),
            )
            for i in range(self.num_layers)
        )
        self.rel_pos_bias = self.rel_pos_bias_window = None
        if self.rel_pos != 'shared_table':
            return
        for window in {self._window_of(i) for i in range(self.num_layers)}:
            name = 'rel_pos_bias_window' if window else 'rel_pos_bias'
            grid = self._attention_grid(window)
            setattr(self, name, RelPosBias(self.num_heads, grid, self.num_prefix_tokens))

    def _window_of(self, index: int) -> int:
        """Return the side of one block's windows; 0 = global."""
        return 0 if index in self.global_blocks else self.window_size

    def _attention_span(self, index: int) -> dict[str, Any]:
        """Return the window and the block's own relative positions as arguments of Block."""
        window = self._window_of(index)
        if self.rel_pos not in ('decomposed', 'table'):
            return dict(window_size=window)
        grid = self._attention_grid(window)
        return dict(window_size=window, rel_pos=self.rel_pos, rel_pos_size=grid)

    def _attention_grid(self, window: int) -> tuple[int, int]:
        """Return the rows and columns over which a block attends at ``img_size``."""
        return (window, window) if window else self._grid_of(self.img_size)

    def _build_norm(self, final_norm: bool) -> None:
        """Build the last layer: the norm of the tokens, or that of their mean."""
        self.norm = self.fc_norm = None
        if self.out_type == 'avg':
            self.fc_norm = nn.LayerNorm(self.embed_dims, eps=self.norm_eps)
        elif final_norm:
            self.norm = nn.LayerNorm(self.embed_dims, eps=self.norm_eps)

    def _reset_parameters(self, linear_init: str) -> None:
        """Initialize as in ViT: linear layers, class and register tokens normal, std .02."""
        for token in (self.cls_token, self.reg_token):
            if token is not None:
                nn.init.normal_(token, std=0.02)
        if linear_init == 'torch':
            return
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def _frozen_parts(self) -> list[nn.Module]:
        if self.frozen_blocks < 0:
            return []
        whole = int(self.frozen_blocks)
        parts = [self.patch_embed, *self.blocks[:whole]]
        if self.frozen_blocks > whole:
            parts += self.blocks[whole].attention_branch()
        if self.frozen_blocks == self.num_layers:
            behind = (self.norm, self.rel_pos_bias, self.rel_pos_bias_window)
            parts += [part for part in behind if part is not None]
        return parts

    def _frozen_parameters(self) -> list[nn.Parameter]:
        if self.frozen_blocks < 0:
            return []
        tokens = (self.cls_token, self.reg_token, self.pos_embed)
        return [parameter for parameter in tokens if parameter is not None]

    # ---- what optimizers ask ---------------------------------------------------------------

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Return the depth of a parameter, for layer-wise learning-rate decay.

        Args:
            param_name: Name of the parameter.
            prefix: Prefix of the encoder in the model, such as 'backbone.'.

        Returns:
            The depth and the number of depths, ``num_layers + 2``: 0 = embeddings, i + 1 = block i,
            ``num_layers + 1`` = everything after the blocks and outside the encoder, and tables of
            relative position that blocks share.
        """
        return layer_depth(param_name, prefix, self.num_layers, EMBEDDINGS)

    def no_weight_decay(self) -> set[str]:
        """Return the parameters, besides 1-D ones, that fine-tuning recipes exempt from decay."""
        names = ('pos_embed', 'cls_token', 'reg_token')
        return {name for name in names if getattr(self, name) is not None}

    # ---- what checkpoints state --------------------------------------------------------------

    def metadata(self, pos_embed: Tensor | None = None) -> dict[str, Any]:
        """Describe the encoder in plain containers, for ``checkpoint['meta']['mae_transfer']``.

        Args:
            pos_embed: The full table of positions, (1, N, C); by default the encoder's own. One
                that is sharded is gathered, so that every process has to call this.

        Returns:
            Sizes in pixels and patches (height first), widths, heads, epsilon of the norms, and
            ``pos_order``: 'xy' or 'yx' for a sine-cosine table in that order, 'learned' for any
            other table, None if there is none.
        """
        layer_scale = any(name.endswith('ls1.gamma') for name, _ in self.named_parameters())
        table, pos_order = self.pos_embed if pos_embed is None else pos_embed, None
        if isinstance(table, DTensor):
            table = table.full_tensor()
        if table is not None:
            pos_order = next(iter(sincos_orders(table, self.pos_grid)), 'learned')
        return dict(
            version=__version__,
            embed_dims=self.embed_dims,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            norm_eps=self.norm_eps,
            in_channels=self.in_channels,
            patch_size=list(self.patch_size),
            img_size=list(self.img_size),
            pos_grid=list(self.pos_grid),
            num_prefix_tokens=self.num_prefix_tokens,
            pos_order=pos_order,
            act='gelu',
            layer_scale=layer_scale,
        )

    # ---- forward ---------------------------------------------------------------------------

    def patch_positions(self, grid: tuple[int, int]) -> Tensor | None:
        """Return the absolute positions on a grid, (1, h * w, C), interpolated if needed."""
        if self.pos_embed is None:
            return None
        table = resize_pos_embed(self.pos_embed, grid, self.pos_grid, self.num_prefix_positions)
        return table[:, self.num_prefix_positions :]

    def prepend_cls(self, x: Tensor) -> Tensor:
        """Prepend the class token, with its position, and the register tokens."""
        if self.reg_token is not None:
            registers = self.reg_token.to(x.dtype).expand(len(x), -1, -1)
            x = torch.cat([registers, x], dim=1)  # (B, R + L, C)
        if self.cls_token is None:
            return x
        cls: Tensor = self.cls_token
        if self.pos_embed is not None and self.num_prefix_positions:
            cls = cls + self.pos_embed[:, :1]
        return torch.cat([cls.to(x.dtype).expand(len(x), -1, -1), x], dim=1)  # (B, 1 + R + L, C)

    def shared_bias(self, x: Tensor, grid: tuple[int, int]) -> dict[int, Tensor]:
        """Compute the attention bias of the shared tables, once per forward pass.

        Args:
            x: Tokens; only their device and dtype matter.
            grid: Rows and columns of the patch tokens.

        Returns:
            The bias, (1, heads, N, N), by ``window_size`` of the blocks; 0 = global blocks.
        """
        device, dtype = x.device.type, x.dtype
        if torch.is_autocast_enabled(device):  # attention runs in the autocast dtype
            dtype = torch.get_autocast_dtype(device)
        bias: dict[int, Tensor] = {}
        if self.rel_pos_bias is not None:
            bias[0] = self.rel_pos_bias(grid, dtype)
        if self.rel_pos_bias_window is not None:
            window = self.window_size
            bias[window] = self.rel_pos_bias_window((window, window), dtype)
        return bias

    def run_block(
        self,
        block: Block,
        x: Tensor,
        grid: tuple[int, int] | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Run one block; with ``with_cp``, it is recomputed in the backward pass."""
        if self.with_cp and self.training and torch.is_grad_enabled():
            return checkpoint(block, x, grid, bias, use_reentrant=False)
        return block(x, grid, bias)

    def _output(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """Convert the tokens of one block to ``out_type``."""
        if self.out_type == 'tokens':
            return x
        if self.out_type == 'cls':
            return x[:, 0]
        patches = x[:, self.num_prefix_tokens :]
        if self.fc_norm is not None:
            return self.fc_norm(patches.mean(dim=1))
        return patches.transpose(1, 2).reshape(len(x), -1, *grid).contiguous()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x: (B, in_channels, H, W), any H and W: padded with zeros to whole patches.

        Returns:
            One entry per index of ``out_indices``; for 'featmap' (B, C, ceil(H / p), ceil(W / q)).

        Raises:
            ValueError: If ``x`` has another number of channels than ``in_channels``.
        """
        check_images(x, self.in_channels)
        x = self.patch_embed(x)  # (B, C, h, w)
        grid = (x.shape[-2], x.shape[-1])
        x = x.flatten(2).transpose(1, 2)  # (B, L, C)
        positions = self.patch_positions(grid)
        if positions is not None:
            x = x + positions
        x = self.prepend_cls(x)
        bias = self.shared_bias(x, grid)
        outputs = []
        for index, block in enumerate(self.blocks[: self.out_indices[-1] + 1]):
            x = self.run_block(block, x, grid, bias.get(block.window_size))
            if index in self.out_indices:
                last = index == self.num_layers - 1
                outputs.append(self._output(self.norm(x) if last and self.norm else x, grid))
        return tuple(outputs)
