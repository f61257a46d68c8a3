from pathlib import Path

import pytest
import torch

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile
from mae_transfer.checkpoints.layouts.facts import check_facts, gather_facts, tensor_facts
from mae_transfer.checkpoints.layouts.table import layout_named
from mae_transfer.checkpoints.layouts.translate import EncoderTensors
from tests.references.checkpoint_files import ARCH, make_vit


def sincos_vit(order, **kwargs):
    return PlainViT(ARCH, img_size=(24, 56), patch_size=8, pos_embed=f'sincos_{order}', **kwargs)


def gather(tensors=None, layout='timm ViT', stated=None, **file):
    tensors = dict(make_vit().state_dict()) if tensors is None else tensors
    found = EncoderTensors(layout_named(layout), '', tensors, {}, {})
    return gather_facts(CheckpointFile(Path('x.pth'), 'raw', tensors, **file), found, stated)


def test_tensor_facts__what_shapes_and_names_tell():
    vit = make_vit(in_channels=4, patch_size=(8, 4), layer_scale_init=0.1)
    assert tensor_facts(dict(vit.state_dict())) == dict(
        num_layers=2, layer_scale=True, embed_dims=32, in_channels=4, patch_size=(8, 4)
    )


@pytest.mark.parametrize('order', ['xy', 'yx'])
def test_tensor_facts__order_of_the_axes_on_a_stated_grid(order):
    tensors = dict(sincos_vit(order).state_dict())
    assert tensor_facts(tensors, (3, 7))['pos_order'] == order
    assert 'pos_order' not in tensor_facts(tensors, (7, 3))


def test_gather_facts__sources_in_their_order():
    """Tensors, metadata, config and arguments state; the layout fills what is left."""
    tensors = dict(make_vit(arch=dict(embed_dims=384, num_layers=1, num_heads=6)).state_dict())
    facts = gather(
        tensors,
        'CAE',
        stated=dict(norm_eps=1e-5),
        metadata=dict(num_heads=6),
        arguments=dict(norm_pix_loss=1, lr=0.1),
    )
    assert facts['embed_dims'] == (384, "the file's tensors")
    assert facts['num_heads'] == (6, "the file's metadata")  # 12 by the layout's code
    assert facts['norm_eps'] == (1e-5, 'facts=')
    assert facts['norm_pix'] == (True, "the file's arguments")
    assert facts['pos_order'] == ('yx', 'layout CAE')
    assert gather(tensors, 'CAE')['num_heads'] == (12, 'layout CAE')


@pytest.mark.parametrize(
    'file, stated, words',
    [
        (dict(metadata=dict(num_heads=4)), dict(num_heads=8), "4 by the file's metadata, but 8 by"),
        (dict(config=dict(hidden_size=64)), None, "width 32 by the file's tensors, but 64 by conf"),
        (dict(metadata=dict(norm_eps=1e-5)), dict(norm_eps=1e-6), '1e-05 by .*, but 1e-06 by fact'),
        ({}, dict(heads=8), "'heads' must be one of embed_dims"),
        ({}, dict(pos_grid=[4]), r'facts= states pos_grid=\[4\]: must be two positive ints'),
        ({}, dict(num_heads=-1), 'facts= states num_heads=-1: must be a positive int'),
        (dict(config=dict(architecture='resnet18')), None, 'timm:resnet18 is a ResNet'),
        (dict(config=dict(architecture='hf-hub:x/y')), None, "'hf-hub:x/y': timm has no such arc"),
        (dict(config=dict(architecture=['vit'])), None, r"timm model \['vit'\]: must be a name"),
    ],
)
def test_gather_facts__contradictions(file, stated, words):
    with pytest.raises(ValueError, match=words):
        gather(stated=stated, **file)


def test_check_facts__what_nobody_states_is_the_encoders():
    facts = check_facts(make_vit(), gather())
    assert facts['num_heads'] == (4, "the encoder's config, nothing else states it")
    assert facts['act'][0] == 'gelu' and facts['norm_eps'][0] == 1e-6


def test_check_facts__fixed_positions_in_the_other_order():
    """A table in the wrong order transposes space, so a config that fixes the other is wrong."""
    facts = gather(dict(sincos_vit('yx').state_dict()), stated=dict(pos_grid=[3, 7]))
    check_facts(sincos_vit('yx'), dict(facts))
    check_facts(make_vit(img_size=(24, 56)), dict(facts))  # learned positions take either
    with pytest.raises(ValueError, match="'yx' in the file .*, 'xy' in .*'sincos_yx'"):
        check_facts(sincos_vit('xy'), dict(facts))


def test_check_facts__several_differences_in_one_sentence():
    other = make_vit(arch=dict(embed_dims=64, num_layers=3, num_heads=4))
    with pytest.raises(ValueError, match=r'width 32 .*, 64 in .*; blocks 2 .*, 3 in the encoder'):
        check_facts(other, gather())


def test_tensor_facts__odd_tensors_tell_nothing():
    odd = {'patch_embed.proj.weight': torch.ones(3), 'pos_embed': torch.ones(3)}
    assert tensor_facts(odd) == {}
