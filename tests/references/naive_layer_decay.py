"""Learning rate and weight decay of one parameter, spelt out by name for a plain ViT.

Slow and literal on purpose: each recipe is written as its own published code states it, for a model
whose encoder is called ``backbone`` and has the parameter names of MAE's code.
"""

import re

# The recipes' values of ``no_decay``
MAE_PRETRAIN = ('1d', 'bias')
MAE_FINETUNE = ('1d', 'pos_embed', 'cls_token')
VITDET = ('norm', 'pos_embed')  # base and large
VITDET_HUGE = ()
UPERNET_RELEASED = ('1d', 'bias')


def naive_scale(name: str, num_blocks: int, rate: float) -> float:
    """Multiply by ``rate`` once per layer between the parameter and the end of the network."""
    scale = 1.0
    for _ in range(num_blocks + 1 - naive_layer_id(name, num_blocks)):
        scale *= rate
    return scale


def naive_layer_id(name: str, num_blocks: int) -> int:
    """0 = embeddings, i + 1 = block i, num_blocks + 1 = the rest."""
    if re.fullmatch(r'backbone\.(cls_token|mask_token|pos_embed|patch_embed\..*)', name):
        return 0
    block = re.match(r'backbone\.blocks\.(\d+)\.', name)
    return int(block.group(1)) + 1 if block else num_blocks + 1


def mae_finetune_skips(name: str, ndim: int) -> bool:
    """MAE's fine-tuning: 1-D tensors, position embedding, class token."""
    return ndim == 1 or name in ('backbone.pos_embed', 'backbone.cls_token')


def vitdet_skips(name: str, ndim: int) -> bool:
    """ViTDet B and L: norms of the blocks and the position embedding; biases are decayed."""
    return bool(re.match(r'backbone\.blocks\.\d+\.norm', name)) or name == 'backbone.pos_embed'


def nothing_skips(name: str, ndim: int) -> bool:
    """ViTDet H: everything is decayed."""
    return False


def upernet_released_skips(name: str, ndim: int) -> bool:
    """UperNet as released: 1-D tensors and biases; position embedding and token are decayed."""
    return ndim == 1 or name.endswith('.bias')
