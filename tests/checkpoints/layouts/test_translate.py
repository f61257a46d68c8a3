from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile
from mae_transfer.checkpoints.layouts.qkv_packing import split_qv_bias
from mae_transfer.checkpoints.layouts.table import LAYOUTS, layout_named
from mae_transfer.checkpoints.layouts.translate import (
    decoder_tensors,
    encoder_tensors,
    name_decoder,
    name_encoder,
    rename,
    rename_back,
)
from tests.references.checkpoint_files import fair_fine_tuned, fair_full, make_vit, own_checkpoint

NAMES = {
    'Hugging Face ViTMAE': {
        'vit.embeddings.cls_token': 'cls_token',
        'vit.embeddings.position_embeddings': 'pos_embed',
        'vit.embeddings.patch_embeddings.projection.bias': 'patch_embed.proj.bias',
        'vit.encoder.layer.0.layernorm_before.weight': 'blocks.0.norm1.weight',
        'vit.encoder.layer.11.layernorm_after.bias': 'blocks.11.norm2.bias',
        'vit.encoder.layer.3.attention.attention.query.weight': 'blocks.3.attn.q.weight',
        'vit.encoder.layer.3.attention.attention.key.bias': 'blocks.3.attn.k.bias',
        'vit.encoder.layer.3.attention.attention.value.bias': 'blocks.3.attn.v.bias',
        'vit.encoder.layer.3.attention.output.dense.weight': 'blocks.3.attn.proj.weight',
        'vit.encoder.layer.3.intermediate.dense.weight': 'blocks.3.mlp.fc1.weight',
        'vit.encoder.layer.3.output.dense.bias': 'blocks.3.mlp.fc2.bias',
        'vit.layernorm.weight': 'norm.weight',
    },
    'MMPretrain ViT': {
        'backbone.cls_token': 'cls_token',
        'backbone.pos_embed': 'pos_embed',
        'backbone.patch_embed.projection.weight': 'patch_embed.proj.weight',
        'backbone.layers.0.ln1.bias': 'blocks.0.norm1.bias',
        'backbone.layers.11.ln2.weight': 'blocks.11.norm2.weight',
        'backbone.layers.3.attn.qkv.weight': 'blocks.3.attn.qkv.weight',
        'backbone.layers.3.attn.proj.bias': 'blocks.3.attn.proj.bias',
        'backbone.layers.3.ffn.layers.0.0.weight': 'blocks.3.mlp.fc1.weight',
        'backbone.layers.3.ffn.layers.1.bias': 'blocks.3.mlp.fc2.bias',
        'backbone.layers.3.attn.gamma1.weight': 'blocks.3.ls1.gamma',
        'backbone.layers.3.ffn.gamma2.weight': 'blocks.3.ls2.gamma',
        'backbone.ln1.weight': 'norm.weight',
        'backbone.ln2.bias': 'fc_norm.bias',
    },
    'OpenMMLab BEiT': {
        'backbone.layers.3.gamma_1': 'blocks.3.ls1.gamma',
        'backbone.layers.3.gamma_2': 'blocks.3.ls2.gamma',
        'backbone.layers.3.attn.q_bias': 'blocks.3.attn.q_bias',
        'backbone.layers.10.ln1.bias': 'blocks.10.norm1.bias',
        'backbone.layers.3.attn.relative_position_bias_table': (
            'blocks.3.attn.relative_position_bias_table'
        ),
    },
    'CAE': {
        'encoder.cls_token': 'cls_token',
        'encoder.blocks.2.gamma_1': 'blocks.2.ls1.gamma',
        'encoder.blocks.2.gamma_2': 'blocks.2.ls2.gamma',
        'encoder.blocks.2.attn.v_bias': 'blocks.2.attn.v_bias',
        'encoder.blocks.2.mlp.fc1.weight': 'blocks.2.mlp.fc1.weight',
        'encoder.norm.bias': 'norm.bias',
    },
    'Hugging Face DINOv2': {
        'dinov2.embeddings.register_tokens': 'reg_token',
        'dinov2.encoder.layer.4.norm1.weight': 'blocks.4.norm1.weight',
        'dinov2.encoder.layer.4.layer_scale2.lambda1': 'blocks.4.ls2.gamma',
        'dinov2.encoder.layer.4.mlp.fc2.bias': 'blocks.4.mlp.fc2.bias',
        'dinov2.layernorm.bias': 'norm.bias',
    },
    'DINOv2': {'register_tokens': 'reg_token', 'blocks.7.ls1.gamma': 'blocks.7.ls1.gamma'},
    'detectron2 ViTDet': {
        'backbone.net.pos_embed': 'pos_embed',
        'backbone.net.blocks.5.attn.rel_pos_h': 'blocks.5.attn.rel_pos_h',
    },
}


@pytest.mark.parametrize('name', NAMES)
def test_rename__there_and_back_as_in_the_table(name):
    layout = layout_named(name)
    prefix = layout.prefixes[0]
    for theirs, ours in NAMES[name].items():
        assert theirs.startswith(prefix)
        assert rename(theirs.removeprefix(prefix), layout.keys) == ours
        assert prefix + rename_back(ours, layout.keys) == theirs


def test_rename_back__a_number_that_is_not_known():
    layout = layout_named('DINOv2, in chunks')
    assert rename('blocks.1.12.norm1.weight', layout.keys) == 'blocks.12.norm1.weight'
    with pytest.raises(ValueError, match='a number is unknown'):
        rename_back('blocks.12.norm1.weight', layout.keys)


def test_layout_named__unknown():
    with pytest.raises(ValueError, match="layout='timm': must be one of .*timm ViT"):
        layout_named('timm')


WRITABLE = [layout for layout in LAYOUTS if 'in chunks' not in layout.name]


def file_of(layout, tensors):
    """A file as the layout's source writes it, with what it is recognized by."""
    names = name_encoder(layout, tensors) | {f'{name}x': torch.ones(1) for name in layout.beside}
    extra = (
        'attentive_blocks.0.',
        'mask_token',
        'register_tokens',
        'fc_norm.',
        'head.weight',
        'decoder_blocks.{i}.',
    )
    for sign in set(extra) & set(layout.signs):
        sign = sign.replace('{i}', '0')
        names[layout.prefixes[0] + sign + 'weight' * sign.endswith('.')] = torch.ones(1)
    container = layout.container or 'state_dict'
    return CheckpointFile(Path('x.pth'), container, names, {} if layout.stated else None)


@pytest.mark.parametrize('layout', WRITABLE, ids=lambda layout: layout.name)
def test_encoder_tensors__recognizes_what_name_encoder_writes(layout):
    options = dict(layer_scale_init=0.1)
    if not layout.facts.get('layer_scale', 'III' in layout.name):
        options = {}
    tensors = dict(make_vit(**options).state_dict())
    if any('q_bias' in sign for sign in layout.signs):
        tensors = split_qv_bias(tensors)
    if layout.name in ('BEiT', 'OpenMMLab BEiT'):
        tensors.pop('pos_embed')
    if 'blocks.0.attn.rel_pos_h' in layout.signs:
        tensors['blocks.0.attn.rel_pos_h'] = torch.ones(7, 8)
    found = encoder_tensors(file_of(layout, tensors))
    assert found.layout.name == layout.name
    fed = {name: tensor for name, tensor in found.tensors.items() if name in tensors}
    assert_close(fed, tensors, atol=0, rtol=0)
    assert set(found.tensors) - set(fed) <= {'fc_norm.weight'}
    for name, sources in found.origins.items():
        fused = layout.packing == 'separate' and '.qkv.' in name
        assert len(sources) == (3 if fused else 1)


@pytest.mark.parametrize(
    'make, container, layout, others',
    [
        (lambda t: t, 'model', 'FAIR MAE encoder', {}),
        (lambda t: t, 'raw', 'timm ViT', {}),
        (lambda t: t | {'head.weight': t['norm.bias']}, 'raw', 'timm ViT', {'head': 1}),
        (lambda t: t | {'head.weight': t['norm.bias']}, 'model', 'DeiT', {'head': 1}),
        (lambda t: fair_full(t)['model'], 'model', 'FAIR MAE full', {'decoder': 20}),
        (lambda t: fair_fine_tuned(t)['model'], 'model', 'FAIR MAE fine-tuned', {'head': 2}),
        (
            lambda t: own_checkpoint(t)['state_dict'],
            'state_dict',
            'mae_transfer without metadata',
            {'neck': 1, 'head': 1},
        ),
        (lambda t: {f'backbone.{n}': v for n, v in t.items()}, 'teacher', 'DINO training', {}),
    ],
)
def test_encoder_tensors__layout(make, container, layout, others):
    tensors = dict(make_vit().state_dict())
    found = encoder_tensors(CheckpointFile(Path('x.pth'), container, make(tensors)))
    assert found.layout.name == layout
    assert {group: len(names) for group, names in found.others.items()} == others
    encoder = {name for name in tensors if not name.startswith('norm.')}
    assert encoder <= found.tensors.keys()
    assert not any(name.startswith(('decoder', 'head', 'mask', 'neck')) for name in found.tensors)


def test_encoder_tensors__every_tensor_is_in_one_place():
    tensors = fair_full(dict(make_vit().state_dict()))['model']
    found = encoder_tensors(CheckpointFile(Path('x.pth'), 'model', tensors))
    assert sorted([*found.tensors, *sum(found.others.values(), [])]) == sorted(tensors)


def test_encoder_tensors__two_names_of_one_tensor():
    tensors = {f'backbone.{name}': t for name, t in make_vit().state_dict().items()}
    tensors['backbone.layers.0.ln1.weight'] = torch.ones(32)
    tensors['backbone.layers.0.norm1.weight'] = torch.ones(32)
    tensors = {name.replace('.blocks.', '.layers.'): t for name, t in tensors.items()}
    with pytest.raises(ValueError, match='contains blocks.0.norm1.weight twice'):
        encoder_tensors(CheckpointFile(Path('x.pth'), 'state_dict', tensors))


@pytest.mark.parametrize('prefix', ['backbonn.', 'xmodule.', 'encoder.net.'])
def test_encoder_tensors__corrupted_prefix(prefix):
    tensors = {f'{prefix}{name}': tensor for name, tensor in make_vit().state_dict().items()}
    with pytest.raises(ValueError, match='no known layout') as error:
        encoder_tensors(CheckpointFile(Path('x.pth'), 'model', tensors))
    assert f'{prefix}blocks.0' in str(error.value)


@pytest.mark.parametrize('name', ['FAIR MAE full', 'MMPretrain MAE', 'Hugging Face ViTMAE'])
def test_name_decoder__there_and_back(name):
    layout, vit = layout_named(name), make_vit()
    encoder = dict(vit.state_dict())
    decoder = {n: t for n, t in fair_full(encoder)['model'].items() if n not in encoder}
    written = name_decoder(layout, decoder)
    if name == 'Hugging Face ViTMAE':
        assert 'decoder.decoder_layers.0.attention.attention.key.weight' in written
    if name == 'MMPretrain MAE':
        assert {'neck.ln1.weight', 'neck.decoder_blocks.0.ffn.layers.0.0.bias'} <= written.keys()
    file = CheckpointFile(Path('x.pth'), 'model', name_encoder(layout, encoder) | written)
    assert encoder_tensors(file).layout is layout
    assert_close(decoder_tensors(file, layout), decoder, atol=0, rtol=0)
    with pytest.raises(ValueError, match="'BEiT' has no place for a decoder"):
        name_decoder(layout_named('BEiT'), decoder)
