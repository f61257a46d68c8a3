from pathlib import Path

import pytest
import torch

from mae_transfer.transfer.checkpoint_file import CheckpointFile
from mae_transfer.transfer.key_maps import encoder_tensors
from tests.references.checkpoint_files import fair_fine_tuned, fair_full, make_vit, own_checkpoint


def as_file(tensors, container='model'):
    return CheckpointFile(Path('x.pth'), container, tensors)


@pytest.mark.parametrize(
    'make, container, layout, others',
    [
        (lambda t: t, 'model', 'FAIR MAE encoder', {}),
        (lambda t: t, 'raw', 'timm ViT', {}),
        (lambda t: t | {'head.weight': t['norm.bias']}, 'raw', 'timm ViT', {'head': 1}),
        (lambda t: fair_full(t)['model'], 'model', 'FAIR MAE full', {'decoder': 20}),
        (lambda t: fair_fine_tuned(t)['model'], 'model', 'FAIR MAE fine-tuned', {'head': 2}),
        (
            lambda t: own_checkpoint(t)['state_dict'],
            'state_dict',
            'mae_transfer',
            {'neck': 1, 'head': 1},
        ),
    ],
)
def test_encoder_tensors__layout(make, container, layout, others):
    tensors = dict(make_vit().state_dict())
    found = encoder_tensors(as_file(make(tensors), container))
    assert found.layout == layout
    assert {group: len(names) for group, names in found.others.items()} == others
    encoder = {name for name in tensors if not name.startswith('norm.')}
    assert encoder <= found.tensors.keys()
    assert not any(name.startswith(('decoder', 'head', 'mask', 'neck')) for name in found.tensors)


def test_encoder_tensors__every_tensor_is_in_one_place():
    tensors = fair_full(dict(make_vit().state_dict()))['model']
    found = encoder_tensors(as_file(tensors))
    assert sorted([*found.tensors, *sum(found.others.values(), [])]) == sorted(tensors)


def test_encoder_tensors__mmpretrain_names():
    names = {
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
    }
    found = encoder_tensors(as_file({name: torch.ones(1) for name in names}, 'state_dict'))
    assert found.layout == 'MMPretrain ViT'
    assert list(found.tensors) == list(names.values())


@pytest.mark.parametrize('prefix', ['backbonn.', 'xmodule.', 'encoder.net.'])
def test_encoder_tensors__corrupted_prefix(prefix):
    tensors = {f'{prefix}{name}': tensor for name, tensor in make_vit().state_dict().items()}
    with pytest.raises(ValueError, match='no layout that is known') as error:
        encoder_tensors(as_file(tensors))
    assert f'{prefix}blocks.0' in str(error.value)
