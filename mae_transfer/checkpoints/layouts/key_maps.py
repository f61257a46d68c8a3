"""Second step of a transfer: whose names are these, and what does PlainViT call them?

``LAYOUTS`` is the table; a further source of checkpoints is one more row. A row is used in both
directions: :func:`encoder_tensors` reads a file by it, :func:`name_encoder` and
:func:`name_decoder` write one. The first row that recognises a file is taken, so the special ones
stand before the general ones.

Names are written as templates: ``{i}`` is the number of a block, and a name that ends with a dot
stands for all that begin with it.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor

from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile
from mae_transfer.checkpoints.layouts.qkv_packing import join_qkv, split_qkv

Tensors = dict[str, Tensor]
KeyMap = tuple[tuple[str, str], ...]  # (their template, our template)


def _swap_positions(tensors: Tensors) -> Tensors:
    """Turn positions (1, N, C) into (N, 1, C), the sequence first, or back."""
    tables = ('pos_embed', 'decoder_pos_embed')
    return {
        name: tensor.transpose(0, 1) if name in tables and tensor.ndim == 3 else tensor
        for name, tensor in tensors.items()
    }


PACKINGS: dict[str, tuple[Callable[[Tensors], Tensors], Callable[[Tensors], Tensors]]] = {
    'fused': (dict, dict),
    'separate': (join_qkv, split_qkv),
    'sequence first': (_swap_positions, _swap_positions),
}


@dataclass(frozen=True)
class Layout:
    """Names that one source gives to the parts of a ViT, and what the source fixes.

    Attributes:
        name: As it is printed.
        signs: Templates (with the number of a block) that must all occur in the encoder's subtree.
        absent: Templates of which none may occur there.
        beside: Beginnings of names that must all occur in the file, whatever the subtree.
        container: Entry of the file that the tensors must lie in; '' = any.
        stated: Whether the file must (True) or must not (False) have our metadata; None = any.
        prefixes: Subtrees that the encoder may lie in; the first is the one that is written.
        keys: Names that differ from PlainViT's, by which the first that fits counts.
        packing: How query, key and value, or the positions, lie: a key of ``PACKINGS``.
        outside: Pattern -> group, for what lies in the subtree and is no part of the encoder.
        decoder_prefix: Subtree of MAE's decoder; None = the source has none.
        decoder_keys: Names that differ from those of MAE's decoder, which ours has.
        heads: Width -> attention heads, where the source's code fixes them.
        facts: What else its code fixes, by the names of
            :meth:`~mae_transfer.backbones.plain_vit.PlainViT.metadata`.
    """

    name: str
    signs: tuple[str, ...]
    absent: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    container: str = ''
    stated: bool | None = None
    prefixes: tuple[str, ...] = ('',)
    keys: KeyMap = ()
    packing: str = 'fused'
    outside: tuple[tuple[str, str], ...] = ()
    decoder_prefix: str | None = None
    decoder_keys: KeyMap = ()
    heads: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def facts_of(self, embed_dims: int | None) -> dict:
        """What the layout says about an encoder of this width."""
        heads = self.heads.get(embed_dims)
        return dict(self.facts) | ({} if heads is None else {'num_heads': heads})


@dataclass(frozen=True)
class EncoderTensors:
    """What a file holds, seen by its layout.

    Attributes:
        layout: The row of ``LAYOUTS``.
        prefix: Subtree of the encoder in this file.
        tensors: The encoder by PlainViT's names.
        origins: PlainViT's name -> names in the file that the tensor was made of.
        others: Group -> names of the file's tensors outside the encoder.
    """

    layout: Layout
    prefix: str
    tensors: Tensors
    origins: dict[str, list[str]]
    others: dict[str, list[str]]


# ---- names of one block ----------------------------------------------------------------------


def _blocks(theirs: str, ours: str, parts: KeyMap) -> KeyMap:
    """Put the names of a block's parts behind the names of the block."""
    return tuple((theirs + their, ours + our) for their, our in (*parts, ('', '')))


OPENMMLAB_PARTS = (
    ('ln1.', 'norm1.'),
    ('ln2.', 'norm2.'),
    ('ffn.layers.0.0.', 'mlp.fc1.'),
    ('ffn.layers.1.', 'mlp.fc2.'),
)
OPENMMLAB_SCALE = (('attn.gamma1.weight', 'ls1.gamma'), ('ffn.gamma2.weight', 'ls2.gamma'))
BEIT_SCALE = (('gamma_1', 'ls1.gamma'), ('gamma_2', 'ls2.gamma'))
HF_ATTENTION = (
    ('attention.attention.query.', 'attn.q.'),
    ('attention.attention.key.', 'attn.k.'),
    ('attention.attention.value.', 'attn.v.'),
    ('attention.output.dense.', 'attn.proj.'),
)
HF_PARTS = (
    *HF_ATTENTION,
    ('layernorm_before.', 'norm1.'),
    ('layernorm_after.', 'norm2.'),
    ('intermediate.dense.', 'mlp.fc1.'),
    ('output.dense.', 'mlp.fc2.'),
)
HF_DINO_PARTS = (
    *HF_ATTENTION,
    ('layer_scale1.lambda1', 'ls1.gamma'),
    ('layer_scale2.lambda1', 'ls2.gamma'),
)

# ---- names of whole encoders and decoders ------------------------------------------------------

OPENMMLAB_TOP = (
    ('patch_embed.projection.', 'patch_embed.proj.'),
    ('ln1.', 'norm.'),
    ('ln2.', 'fc_norm.'),
)
OPENMMLAB = (
    *OPENMMLAB_TOP,
    *_blocks('layers.{i}.', 'blocks.{i}.', OPENMMLAB_PARTS + OPENMMLAB_SCALE),
)
OPENMMLAB_BEIT = (
    *OPENMMLAB_TOP,
    *_blocks('layers.{i}.', 'blocks.{i}.', OPENMMLAB_PARTS + BEIT_SCALE),
)
OPENMMLAB_DECODER = (
    ('ln1.', 'decoder_norm.'),
    *_blocks('decoder_blocks.{i}.', 'decoder_blocks.{i}.', OPENMMLAB_PARTS),
)
BEIT = _blocks('blocks.{i}.', 'blocks.{i}.', BEIT_SCALE)
HF_TOP = (
    ('embeddings.cls_token', 'cls_token'),
    ('embeddings.position_embeddings', 'pos_embed'),
    ('embeddings.patch_embeddings.projection.', 'patch_embed.proj.'),
    ('layernorm.', 'norm.'),
)
HF = (*HF_TOP, *_blocks('encoder.layer.{i}.', 'blocks.{i}.', HF_PARTS))
HF_DINO = (
    *HF_TOP,
    ('embeddings.register_tokens', 'reg_token'),
    *_blocks('encoder.layer.{i}.', 'blocks.{i}.', HF_DINO_PARTS),
)
HF_DECODER = _blocks('decoder_layers.{i}.', 'decoder_blocks.{i}.', HF_PARTS)
ICARUS = (
    ('pos_embedding', 'pos_embed'),
    ('patchify.', 'patch_embed.proj.'),
    ('transformer.{i}.', 'blocks.{i}.'),
    ('layer_norm.', 'norm.'),
)
ICARUS_DECODER = (
    ('pos_embedding', 'decoder_pos_embed'),
    ('transformer.{i}.', 'decoder_blocks.{i}.'),
    ('head.', 'decoder_pred.'),
)
DINOV2 = (('register_tokens', 'reg_token'),)
# FSDP's chunks: the second number counts through all blocks, the first cannot be known back
DINOV2_CHUNKS = (*DINOV2, ('blocks.{_}.{i}.', 'blocks.{i}.'))

HEAD = ((r'head\.', 'head'),)
DECODER_AND_HEAD = ((r'decoder_|mask_token$', 'decoder'), *HEAD)
BEIT_OUTSIDE = (
    (r'(?:.*\.)?relative_position_index$', 'computed index'),
    (r'mask_token$|lm_head\.', 'masked pre-training'),
    *HEAD,
)
DINO_OUTSIDE = ((r'mask_token$', 'masked pre-training'), *HEAD)
HF_OUTSIDE = (
    (r'(?:embeddings\.)?mask_token$', 'masked pre-training'),
    (r'pooler\.', 'pooler'),
    (r'classifier\.', 'head'),
)

# ---- heads that the sources' code gives to each width -------------------------------------------

VIT_HEADS = {768: 12, 1024: 16, 1280: 16}
DEIT_HEADS = {192: 3, 384: 6} | VIT_HEADS
DINO_HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1536: 24}
CAE_HEADS = {192: 12, 384: 12, 768: 12, 1024: 16}  # not those of DeiT
MOCO_HEADS = {384: 12} | VIT_HEADS  # here neither

MAE_FACTS = dict(norm_eps=1e-6, pos_order='xy')
CAE_FACTS = dict(norm_eps=1e-6, pos_order='yx', layer_scale=True)
BEIT_FACTS = dict(norm_eps=1e-6, layer_scale=True)

PLAIN = ('blocks.0.attn.', 'patch_embed.proj.')

LAYOUTS = (
    Layout(
        'mae_transfer',
        signs=PLAIN,
        stated=True,
        prefixes=('backbone.', ''),
        outside=DECODER_AND_HEAD,
        decoder_prefix='neck.',
    ),
    Layout(
        'mae_transfer TimmViT',
        signs=PLAIN,
        prefixes=('backbone.model.',),
        keys=BEIT,
        outside=HEAD,
    ),
    Layout(  # Atten4Vis/CAE, pre-training
        'CAE',
        signs=('blocks.0.attn.q_bias', 'blocks.0.gamma_1'),
        prefixes=('encoder.',),
        keys=BEIT,
        heads=CAE_HEADS,
        facts=CAE_FACTS,
    ),
    Layout(  # CIFAR-10; the released file pickles the module, this is its state_dict()
        'IcarusWizard MAE',
        signs=('pos_embedding', 'patchify.', 'transformer.{i}.'),
        prefixes=('encoder.', ''),
        keys=ICARUS,
        packing='sequence first',
        outside=HEAD,
        decoder_prefix='decoder.',
        decoder_keys=ICARUS_DECODER,
        heads={192: 3},
        facts=dict(norm_eps=1e-5, pos_order='learned', layer_scale=False),
    ),
    Layout(  # facebookresearch/moco-v3; head = the projection MLP
        'MoCo v3',
        signs=PLAIN,
        prefixes=('base_encoder.',),
        outside=HEAD,
        heads=MOCO_HEADS,
        facts=dict(norm_eps=1e-6, pos_order='yx', layer_scale=False),
    ),
    Layout(
        'detectron2 ViTDet',
        signs=PLAIN,
        prefixes=('backbone.net.',),
        heads=VIT_HEADS,
        facts=dict(norm_eps=1e-6, layer_scale=False),
    ),
    Layout(
        'DINOv2 training, in chunks',
        signs=('blocks.0.0.attn.',),
        container='teacher',
        prefixes=('backbone.',),
        keys=DINOV2_CHUNKS,
        outside=DINO_OUTSIDE,
        heads=DINO_HEADS,
        facts=dict(norm_eps=1e-6),
    ),
    Layout(
        'DINOv2 training',
        signs=(*PLAIN, 'mask_token'),
        container='teacher',
        prefixes=('backbone.',),
        keys=DINOV2,
        outside=DINO_OUTSIDE,
        heads=DINO_HEADS,
        facts=dict(norm_eps=1e-6),
    ),
    Layout(
        'DINO training',
        signs=PLAIN,
        container='teacher',
        prefixes=('backbone.',),
        outside=HEAD,
        heads=DINO_HEADS,
        facts=dict(norm_eps=1e-6, layer_scale=False),
    ),
    Layout(  # MMDetection's projects/ViTDet
        'MMDetection ViTDet',
        signs=(*PLAIN, 'blocks.0.attn.rel_pos_h'),
        stated=False,
        prefixes=('backbone.',),
        heads=VIT_HEADS,
        facts=dict(norm_eps=1e-6, layer_scale=False),
    ),
    Layout(  # our runs without the hook that writes the metadata
        'mae_transfer without metadata',
        signs=PLAIN,
        prefixes=('backbone.',),
        decoder_prefix='neck.',
    ),
    Layout(
        'MMPretrain CAE',
        signs=('layers.0.gamma_1', 'pos_embed'),
        beside=('neck.regressors.0.',),
        prefixes=('backbone.',),
        keys=OPENMMLAB_BEIT,
        outside=BEIT_OUTSIDE,
        facts=CAE_FACTS,
    ),
    Layout(
        'MMSegmentation MAE',
        signs=('layers.0.gamma_1', 'layers.0.attn.qkv.bias', 'pos_embed'),
        prefixes=('backbone.', ''),
        keys=OPENMMLAB_BEIT,
        outside=BEIT_OUTSIDE,
        facts=dict(layer_scale=True),
    ),
    Layout(  # the same names in MMPretrain and MMSegmentation; MMSelfSup's CAE encoder too
        'OpenMMLab BEiT',
        signs=('layers.0.gamma_1',),
        prefixes=('backbone.', ''),
        keys=OPENMMLAB_BEIT,
        outside=BEIT_OUTSIDE,
        facts=dict(layer_scale=True),
    ),
    Layout(  # MMSelfSup's files have the same names
        'MMPretrain MAE',
        signs=('layers.0.ln1.', 'patch_embed.projection.'),
        beside=('neck.decoder_blocks.0.',),
        prefixes=('backbone.',),
        keys=OPENMMLAB,
        decoder_prefix='neck.',
        decoder_keys=OPENMMLAB_DECODER,
        heads=VIT_HEADS,
        facts=dict(norm_eps=1e-6, pos_order='yx'),
    ),
    Layout(  # classifiers; without prefix, backbones that MMSelfSup's tools extracted
        'MMPretrain ViT',
        signs=('layers.0.ln1.', 'layers.0.attn.qkv.'),
        prefixes=('backbone.', ''),
        keys=OPENMMLAB,
    ),
    Layout(
        'Hugging Face ViTMAE',
        signs=('encoder.layer.{i}.layernorm_before.',),
        beside=('decoder.decoder_layers.0.',),
        prefixes=('vit.',),
        keys=HF,
        packing='separate',
        outside=HF_OUTSIDE,
        decoder_prefix='decoder.',
        decoder_keys=HF_DECODER,
        facts=dict(pos_order='xy', layer_scale=False),
    ),
    Layout(
        'Hugging Face ViT',
        signs=('encoder.layer.{i}.layernorm_before.',),
        prefixes=('vit.', ''),
        keys=HF,
        packing='separate',
        outside=HF_OUTSIDE,
        facts=dict(layer_scale=False),
    ),
    Layout(
        'Hugging Face DINOv2',
        signs=('encoder.layer.{i}.layer_scale1.', 'embeddings.'),
        prefixes=('dinov2.', 'dinov2_with_registers.', ''),
        keys=HF_DINO,
        packing='separate',
        outside=HF_OUTSIDE,
        facts=dict(layer_scale=True),
    ),
    Layout(
        'DeiT III',
        signs=('blocks.0.attn.qkv.bias', 'blocks.0.gamma_1'),
        keys=BEIT,
        outside=(*DECODER_AND_HEAD, (r'head_dist\.', 'head')),
        heads=DEIT_HEADS,
        facts=dict(norm_eps=1e-6, layer_scale=True),
    ),
    Layout(  # Atten4Vis/CAE, fine-tuned or probed
        'CAE fine-tuned',
        signs=('blocks.0.attn.q_bias', 'blocks.0.gamma_1', 'pos_embed'),
        keys=BEIT,
        outside=BEIT_OUTSIDE,
        heads=CAE_HEADS,
        facts=CAE_FACTS,
    ),
    Layout(  # microsoft/unilm, and timm's beit*
        'BEiT',
        signs=('blocks.0.attn.q_bias', 'blocks.0.gamma_1'),
        keys=BEIT,
        outside=BEIT_OUTSIDE,
        heads=DEIT_HEADS,
        facts=BEIT_FACTS,
    ),
    Layout(
        'DINOv2, in chunks',
        signs=('blocks.0.0.attn.',),
        keys=DINOV2_CHUNKS,
        outside=DINO_OUTSIDE,
        heads=DINO_HEADS,
        facts=dict(norm_eps=1e-6),
    ),
    Layout(
        'DINOv2',
        signs=(*PLAIN, 'blocks.0.ls1.gamma', 'mask_token'),
        absent=('decoder_blocks.',),
        keys=DINOV2,
        outside=DINO_OUTSIDE,
        heads=DINO_HEADS,
        facts=dict(norm_eps=1e-6, layer_scale=True),
    ),
    Layout(
        'FAIR MAE full',
        signs=(*PLAIN, 'decoder_blocks.{i}.'),
        outside=DECODER_AND_HEAD,
        decoder_prefix='',
        heads=VIT_HEADS,
        facts=MAE_FACTS,
    ),
    Layout(
        'FAIR MAE fine-tuned',
        signs=(*PLAIN, 'fc_norm.'),
        container='model',
        outside=DECODER_AND_HEAD,
        heads=VIT_HEADS,
        facts=dict(norm_eps=1e-6),
    ),
    Layout(  # MAE's files fine-tuned by the class token look alike
        'DeiT',
        signs=(*PLAIN, 'head.weight'),
        container='model',
        outside=(*DECODER_AND_HEAD, (r'head_dist\.', 'head')),
        heads=DEIT_HEADS,
        facts=dict(norm_eps=1e-6),
    ),
    Layout(
        'FAIR MAE encoder',
        signs=PLAIN,
        container='model',
        outside=DECODER_AND_HEAD,
        heads=VIT_HEADS,
        facts=MAE_FACTS,
    ),
    Layout(  # DINO's backbone files have the same names
        'timm ViT',
        signs=PLAIN,
        outside=(*DECODER_AND_HEAD, (r'head_dist\.', 'head')),
    ),
)

_NAMED = {layout.name: layout for layout in LAYOUTS}


# ---- reading -----------------------------------------------------------------------------------


def recognise(file: CheckpointFile) -> tuple[Layout, str]:
    """Find the layout of a file and the subtree of its encoder.

    Raises:
        ValueError: If no layout fits.
    """
    for layout in LAYOUTS:
        for prefix in layout.prefixes:
            if _fits(layout, prefix, file):
                return layout, prefix
    names = sorted(file.tensors)
    prefixes = dict.fromkeys(prefix for layout in LAYOUTS for prefix in layout.prefixes)
    raise ValueError(
        f'{file.path} has no layout that is known ({", ".join(_NAMED)}): its {len(names)} tensors '
        f'begin with {names[:10]}. Is a prefix wrong? An encoder is looked for at the top and '
        f'under {", ".join(prefix for prefix in prefixes if prefix)}'
    )


def _fits(layout: Layout, prefix: str, file: CheckpointFile) -> bool:
    if layout.container not in ('', file.container):
        return False
    if layout.stated is not None and layout.stated != (file.metadata is not None):
        return False
    return (
        all(_occurs(prefix + sign, file.tensors) for sign in layout.signs)
        and not any(_occurs(prefix + sign, file.tensors) for sign in layout.absent)
        and all(_occurs(sign, file.tensors) for sign in layout.beside)
    )


def _occurs(template: str, names: Mapping[str, object]) -> bool:
    pattern = _pattern(template)
    return any(pattern.match(name) for name in names)


def encoder_tensors(file: CheckpointFile) -> EncoderTensors:
    """Recognise the layout of a file and give its encoder PlainViT's names.

    Raises:
        ValueError: If no layout fits, or two tensors of the file get the same name.
    """
    layout, prefix = recognise(file)
    tensors, origins, others = {}, {}, {}
    for name, tensor in file.tensors.items():
        group = _group_outside(layout, prefix, name)
        if group is not None:
            others.setdefault(group, []).append(name)
            continue
        ours = rename(name.removeprefix(prefix), layout.keys)
        if ours in tensors:
            raise ValueError(
                f'{file.path} ({layout.name} file) holds {ours} twice: as {origins[ours][0]} and '
                f'as {name}'
            )
        tensors[ours], origins[ours] = tensor, [name]
    unpacked = PACKINGS[layout.packing][0](tensors)
    for name in unpacked.keys() - tensors.keys():  # joined from three
        parts = [name.replace('.qkv.', f'.{part}.') for part in 'qkv']
        origins[name] = [origins[part][0] for part in parts]
    origins = {name: origins[name] for name in unpacked}
    return EncoderTensors(layout, prefix, unpacked, origins, others)


def _group_outside(layout: Layout, prefix: str, name: str) -> str | None:
    """Group of a tensor that is no part of the encoder; None for one that is."""
    if not name.startswith(prefix):
        return name.split('.', 1)[0]
    inner = name.removeprefix(prefix)
    if not prefix and layout.decoder_prefix and inner.startswith(layout.decoder_prefix):
        return 'decoder'
    return next((group for pattern, group in layout.outside if re.match(pattern, inner)), None)


def decoder_tensors(file: CheckpointFile, layout: Layout) -> Tensors:
    """Give the tensors of a file's decoder the names of :class:`MAEDecoder`; {} without one."""
    if layout.decoder_prefix is None:
        return {}
    tensors = {
        rename(name.removeprefix(layout.decoder_prefix), layout.decoder_keys): tensor
        for name, tensor in file.tensors.items()
        if name.startswith(layout.decoder_prefix)
    }
    decoder = {name: t for name, t in tensors.items() if re.match(r'decoder_|mask_token$', name)}
    return PACKINGS[layout.packing][0](decoder)


# ---- writing -----------------------------------------------------------------------------------


def layout_named(name: str) -> Layout:
    """Return the row of ``LAYOUTS`` with this name.

    Raises:
        ValueError: If there is none.
    """
    if name not in _NAMED:
        raise ValueError(f'layout={name!r}: must be one of {", ".join(_NAMED)}')
    return _NAMED[name]


def name_encoder(layout: Layout, tensors: Tensors) -> Tensors:
    """Give an encoder the names and the packing of a layout; inverse of reading.

    What the layout has no name for is not converted: such tensors come out under PlainViT's names.
    Layer scale is folded, a bias split or joined (``qkv_packing``) before.

    Args:
        layout: Whose names are wanted.
        tensors: An encoder by PlainViT's names.
    """
    packed = PACKINGS[layout.packing][1](tensors)
    prefix = layout.prefixes[0]
    return {prefix + rename_back(name, layout.keys): tensor for name, tensor in packed.items()}


def name_decoder(layout: Layout, tensors: Tensors) -> Tensors:
    """Give MAE's decoder the names and the packing of a layout.

    Args:
        layout: Whose names are wanted.
        tensors: A decoder by the names of :class:`MAEDecoder`.

    Raises:
        ValueError: If the layout has no decoder.
    """
    if layout.decoder_prefix is None:
        raise ValueError(f'the layout {layout.name!r} has no place for a decoder')
    packed = PACKINGS[layout.packing][1](tensors)
    return {
        layout.decoder_prefix + rename_back(name, layout.decoder_keys): tensor
        for name, tensor in packed.items()
    }


# ---- templates ---------------------------------------------------------------------------------


def rename(name: str, keys: KeyMap) -> str:
    """Translate a name of theirs to ours, by the first template that fits."""
    for theirs, ours in keys:
        renamed = _replace(name, theirs, ours)
        if renamed is not None:
            return renamed
    return name


def rename_back(name: str, keys: KeyMap) -> str:
    """Translate a name of ours to theirs; inverse of :func:`rename`.

    Raises:
        ValueError: If their name holds a number that ours does not tell.
    """
    for theirs, ours in keys:
        if _pattern(ours).match(name) and '{_}' in theirs:
            raise ValueError(f'{name!r} cannot be written as {theirs!r}: a number is not known')
        renamed = _replace(name, ours, theirs)
        if renamed is not None:
            return renamed
    return name


def _replace(name: str, source: str, target: str) -> str | None:
    found = _pattern(source).match(name)
    if found is None:
        return None
    number = found['i'] if '{i}' in source else ''
    return target.replace('{i}', number) + name[found.end() :]


@functools.cache
def _pattern(template: str) -> re.Pattern:
    """Regular expression of a template; without a dot at its end it is a whole name."""
    pattern = re.escape(template).replace(r'\{i\}', r'(?P<i>\d+)').replace(r'\{_\}', r'\d+')
    return re.compile(pattern if template.endswith('.') else rf'{pattern}(?!.)')
