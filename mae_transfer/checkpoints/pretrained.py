"""Loads pre-trained weights into a PlainViT, from Python or through a config's ``init_cfg``.

file -> named tensors -> layout -> facts -> fitted to the encoder -> loaded, with an account of each
tensor.
"""

import logging
import os
from collections.abc import Sequence

from mmengine.logging import print_log
from mmengine.model import update_init_info
from torch import nn

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.files.checkpoint_file import read_checkpoint
from mae_transfer.checkpoints.fit.account import LoadAccount, account_of_load
from mae_transfer.checkpoints.fit.encoder import fit_encoder
from mae_transfer.checkpoints.layouts.facts import check_facts, gather_facts
from mae_transfer.checkpoints.layouts.translate import encoder_tensors
from mae_transfer.registry import WEIGHT_INITIALIZERS

LEFT_AS_IT_WAS = ('fresh', 'let pass')  # statuses in the account


def load_pretrained(
    vit: PlainViT,
    checkpoint: str | os.PathLike,
    pos_grid: Sequence[int] | None = None,
    fc_norm: str = 'fresh',
    in_channels_rule: str | None = None,
    facts: dict | None = None,
    allow_partial: Sequence[str] = (),
    trust: bool | None = None,
) -> LoadAccount:
    """Load an encoder from a checkpoint; if it does not fit, fail and change nothing.

    Args:
        vit: The encoder.
        checkpoint: A file of any layout of :mod:`~mae_transfer.checkpoints.layouts.table`; the
            work dir of one of our runs; a folder of Hugging Face's library; or 'timm:NAME', the
            cached weights of a timm model.
        pos_grid: Rows and columns of the file's ``pos_embed``, if they are not square and the file
            does not state them.
        fc_norm: Start of the norm after average pooling if the file has none: 'fresh' keeps one and
            zero (MAE), 'norm' takes the file's final norm (CAE).
        in_channels_rule: How to adapt the patch projection to another number of input channels:
            'mean', 'repeat' or 'zero'; see
            :func:`~mae_transfer.checkpoints.fit.patch_embed.adapt_channels`.
        facts: Facts that the file does not state, if its layout gives them wrongly or not at all,
            such as ``dict(num_heads=6, norm_eps=1e-5)``.
        allow_partial: Patterns of tensors, such as 'norm.*', that may be missing, left over or of
            another shape. By default the encoder must be loaded completely.
        trust: Whether code in the file may run if it cannot be read otherwise; None asks the
            environment variable, see :mod:`~mae_transfer.compat.safe_load`.

    Returns:
        What was loaded, adapted, left fresh and left unused.

    Raises:
        FileNotFoundError: If there is no checkpoint at this path.
        ValueError: If the file cannot be read safely, contradicts itself or the encoder, or does
            not fit; up to ten tensors are named.
    """
    file = read_checkpoint(checkpoint, trust)
    found = encoder_tensors(file)
    stated = dict(facts or {}) | ({} if pos_grid is None else {'pos_grid': list(pos_grid)})
    try:
        known = check_facts(vit, gather_facts(file, found, stated))
        tensors, steps = fit_encoder(
            found.tensors, vit, known, fc_norm, in_channels_rule, allow_partial
        )
    except ValueError as error:
        raise ValueError(f'{file.path} ({found.layout.name} file) does not fit: {error}') from error
    kept, foreign = vit.load_state_dict(tensors, strict=False)
    loaded = [name for name in vit.state_dict() if name in tensors]
    account = account_of_load(file, found, known, steps, loaded)
    left = {name for name, entry in account.encoder.items() if entry['status'] in LEFT_AS_IT_WAS}
    assert not foreign and set(kept) == left, f'{file.path}: the account misses tensors'
    return account


@WEIGHT_INITIALIZERS.register_module()
class PretrainedViT:
    """Initializer for configs: ``init_cfg=dict(type='PretrainedViT', checkpoint=...)``.

    It belongs to a PlainViT, the ``backbone`` of a model. The account is logged, stored on the
    encoder as ``load_account`` and written next to the log by
    :class:`~mae_transfer.hooks.load_account.LoadAccountHook`.

    Args:
        checkpoint: See :func:`load_pretrained`, here and below.
        pos_grid: Grid of the file's positions.
        fc_norm: Start of ``fc_norm``.
        in_channels_rule: Rule for other input channels.
        facts: Facts that the file does not state.
        allow_partial: Tensors that need not fit.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike,
        pos_grid: Sequence[int] | None = None,
        fc_norm: str = 'fresh',
        in_channels_rule: str | None = None,
        facts: dict | None = None,
        allow_partial: Sequence[str] = (),
    ) -> None:
        if isinstance(allow_partial, str):
            raise ValueError(f'allow_partial={allow_partial!r}: must be a list of patterns')
        self.checkpoint = checkpoint
        self.pos_grid = pos_grid
        self.fc_norm = fc_norm
        self.in_channels_rule = in_channels_rule
        self.facts = facts
        self.allow_partial = allow_partial

    def __call__(self, module: nn.Module) -> None:
        """Load the encoder.

        Raises:
            TypeError: If ``module`` is not a PlainViT.
        """
        if not isinstance(module, PlainViT):
            raise TypeError(
                f"init_cfg type='PretrainedViT' belongs to a {type(module).__name__}: it loads an "
                'encoder, so move it into the dict of the PlainViT (the backbone of the model)'
            )
        account = load_pretrained(
            module,
            self.checkpoint,
            self.pos_grid,
            self.fc_norm,
            self.in_channels_rule,
            self.facts,
            self.allow_partial,
        )
        module.load_account = account
        level = logging.WARNING if account.let_pass else logging.INFO
        print_log(account.summary(), logger='current', level=level)
        print_log(account.facts_told(), logger='current')
        if hasattr(module, '_params_init_info'):  # MMEngine keeps a log of who initialized what
            update_init_info(module, init_info=f'PretrainedViT: loaded from {self.checkpoint}')
