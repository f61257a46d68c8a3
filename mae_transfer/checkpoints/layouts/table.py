"""Lists the layouts of all sources whose files are read and written.

To support another source, add a row; it is used in both directions (see ``translate``). The first
row that matches a file applies, so specific rows come before general ones.
"""

from mae_transfer.checkpoints.layouts.key_maps import (
    BEIT,
    CAE_ATTENTIVE_PROBE,
    CLASSIFIER,
    DINOV2,
    DINOV2_CHUNKS,
    HF,
    HF_DECODER,
    HF_DINO,
    ICARUS,
    ICARUS_DECODER,
    OPENMMLAB,
    OPENMMLAB_BEIT,
    OPENMMLAB_DECODER,
)
from mae_transfer.checkpoints.layouts.layout import Layout

# ---- tensors outside an encoder: pattern -> group

HEAD = ((r'head\.', 'head'),)
DECODER_AND_HEAD = ((r'decoder_|mask_token$', 'decoder'), *HEAD)
BEIT_OUTSIDE = (
    (r'(?:.*\.)?relative_position_index$', 'computed index'),
    (r'mask_token$|lm_head\.', 'masked pre-training'),
    *HEAD,
)
ATTENTIVE_OUTSIDE = (  # its fc_norm is a batch norm
    (r'query_token$|attentive_blocks\.|fc_norm\.', 'attentive probe'),
    *BEIT_OUTSIDE,
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
CAE_HEADS = {192: 12, 384: 12, 768: 12, 1024: 16}  # differs from DeiT
MOCO_HEADS = {384: 12} | VIT_HEADS  # differs from DeiT, too

MAE_FACTS = dict(norm_eps=1e-6, pos_order='xy')
CAE_FACTS = dict(norm_eps=1e-6, pos_order='yx', layer_scale=True)
BEIT_FACTS = dict(norm_eps=1e-6, layer_scale=True)

# ---- the rows

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
    Layout(  # Atten4Vis/CAE, tools/run_attentive.py
        'CAE attentive probe',
        signs=('blocks.0.attn.q_bias', 'blocks.0.gamma_1', 'attentive_blocks.0.'),
        keys=BEIT,
        outside=ATTENTIVE_OUTSIDE,
        classifier=CAE_ATTENTIVE_PROBE,
        heads=CAE_HEADS,
        facts=CAE_FACTS,
    ),
    Layout(  # Atten4Vis/CAE, fine-tuned or with a linear probe
        'CAE fine-tuned',
        signs=('blocks.0.attn.q_bias', 'blocks.0.gamma_1', 'pos_embed'),
        keys=BEIT,
        outside=BEIT_OUTSIDE,
        classifier=CLASSIFIER,
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
        classifier=CLASSIFIER,
        heads=VIT_HEADS,
        facts=dict(norm_eps=1e-6),
    ),
    Layout(  # MAE's files fine-tuned with the class token look the same
        'DeiT',
        signs=(*PLAIN, 'head.weight'),
        container='model',
        outside=(*DECODER_AND_HEAD, (r'head_dist\.', 'head')),
        heads=DEIT_HEADS,
        facts=dict(norm_eps=1e-6),
    ),
    Layout(  # also with a linear probe
        'FAIR MAE encoder',
        signs=PLAIN,
        container='model',
        outside=DECODER_AND_HEAD,
        classifier=CLASSIFIER,
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


def layout_named(name: str) -> Layout:
    """Return the row of ``LAYOUTS`` with this name.

    Raises:
        ValueError: If there is none.
    """
    if name not in _NAMED:
        raise ValueError(f'layout={name!r}: must be one of {", ".join(_NAMED)}')
    return _NAMED[name]
