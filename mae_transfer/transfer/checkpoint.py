"""Pre-trained weights into a PlainViT: the step that opens the transfer journey.

file -> named tensors -> layout -> fitted to the encoder -> loaded, with an account of each tensor.
"""

import os
from collections.abc import Sequence

from mmengine.logging import print_log
from mmengine.model import update_init_info
from torch import nn

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.registry import WEIGHT_INITIALIZERS
from mae_transfer.transfer.checkpoint_file import read_checkpoint
from mae_transfer.transfer.fit_encoder import fit_encoder
from mae_transfer.transfer.key_maps import encoder_tensors
from mae_transfer.transfer.load_account import LoadAccount


def load_pretrained(
    vit: PlainViT,
    checkpoint: str | os.PathLike,
    pos_grid: Sequence[int] | None = None,
    fc_norm: str = 'fresh',
) -> LoadAccount:
    """Load an encoder from a checkpoint; a load that does not fit fails and changes nothing.

    Args:
        vit: The encoder.
        checkpoint: A file of this package, of MAE's code, of timm or of MMPretrain; or the work dir
            of a run of ours.
        pos_grid: Rows and columns of the file's ``pos_embed``, where they are no square and the
            file does not state them.
        fc_norm: What the norm behind average pooling starts from where the file has none: 'fresh'
            keeps its start at one and zero (MAE), 'norm' takes the file's final norm (CAE).

    Returns:
        What was loaded, adapted, left fresh and left unused.

    Raises:
        FileNotFoundError: If there is no checkpoint at this path.
        ValueError: If the file cannot be read safely or does not fit; up to ten tensors are named.
    """
    file = read_checkpoint(checkpoint)
    found = encoder_tensors(file)
    account = LoadAccount(str(file.path), found.layout.name, unused=dict(found.others))
    pos_grid = None if pos_grid is None else tuple(pos_grid)
    try:
        tensors = fit_encoder(vit, found.tensors, account, file.metadata, pos_grid, fc_norm)
    except ValueError as error:
        raise ValueError(f'{file.path} ({found.layout.name} file) does not fit: {error}') from error
    kept, foreign = vit.load_state_dict(tensors, strict=False)
    assert not foreign and set(kept) == {name for names in account.fresh.values() for name in names}
    return account


@WEIGHT_INITIALIZERS.register_module()
class PretrainedViT:
    """Initialiser for configs: ``init_cfg=dict(type='PretrainedViT', checkpoint=...)``.

    It belongs to a PlainViT, the ``backbone`` of a model. The account is logged in one line and
    stays on the encoder as ``load_account``.

    Args:
        checkpoint: See :func:`load_pretrained`.
        pos_grid: See :func:`load_pretrained`.
        fc_norm: See :func:`load_pretrained`.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike,
        pos_grid: Sequence[int] | None = None,
        fc_norm: str = 'fresh',
    ) -> None:
        self.checkpoint = checkpoint
        self.pos_grid = pos_grid
        self.fc_norm = fc_norm

    def __call__(self, module: nn.Module) -> None:
        """Load the encoder.

        Raises:
            TypeError: If ``module`` is no PlainViT.
        """
        if not isinstance(module, PlainViT):
            raise TypeError(
                f"init_cfg type='PretrainedViT' stands at a {type(module).__name__}: it loads an "
                'encoder, so move it into the dict of the PlainViT (the backbone of the model)'
            )
        module.load_account = load_pretrained(module, self.checkpoint, self.pos_grid, self.fc_norm)
        print_log(module.load_account.summary(), logger='current')
        if hasattr(module, '_params_init_info'):  # MMEngine keeps a log of who initialised what
            update_init_info(module, init_info=f'PretrainedViT: loaded from {self.checkpoint}')
