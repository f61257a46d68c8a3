import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from mae_transfer.checkpoints.layouts import qkv_packing
from tests.references.checkpoint_files import make_vit


def test_join_qkv__rows_are_query_key_value_in_this_order():
    """Three linear layers and the joined one give the same 3 * 4 numbers."""
    parts = {f'blocks.0.attn.{p}.weight': torch.randn(4, 4) for p in 'qkv'}
    parts |= {f'blocks.0.attn.{p}.bias': torch.randn(4) for p in 'qkv'}
    joined = qkv_packing.join_qkv(parts | {'norm.bias': torch.ones(4)})
    assert joined.keys() == {'blocks.0.attn.qkv.weight', 'blocks.0.attn.qkv.bias', 'norm.bias'}
    x = torch.randn(2, 4)
    one = F.linear(x, joined['blocks.0.attn.qkv.weight'], joined['blocks.0.attn.qkv.bias'])
    stem = 'blocks.0.attn.'
    three = [F.linear(x, parts[f'{stem}{p}.weight'], parts[f'{stem}{p}.bias']) for p in 'qkv']
    assert_close(one, torch.cat(three, dim=1))


def test_join_qkv__incomplete_parts_keep_their_names():
    parts = {f'blocks.0.attn.{p}.weight': torch.ones(4, 4) for p in 'qv'}
    assert qkv_packing.join_qkv(parts).keys() == parts.keys()


def test_split_qkv__there_and_back():
    tensors = dict(make_vit().state_dict())
    split = qkv_packing.split_qkv(tensors)
    assert 'blocks.1.attn.k.bias' in split and not any('qkv' in name for name in split)
    assert_close(qkv_packing.join_qkv(split), tensors, atol=0, rtol=0)


def test_split_qv_bias__there_and_back_loses_the_key_part_only():
    tensors = dict(make_vit().state_dict())
    there = qkv_packing.split_qv_bias(tensors)
    assert not any(name.endswith('qkv.bias') for name in there)
    back = qkv_packing.join_qv_bias(there)
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        expected = tensor
        if name.endswith('qkv.bias'):
            query, key, value = tensor.chunk(3)
            expected = torch.cat([query, torch.zeros_like(key), value])
        assert_close(back[name], expected, atol=0, rtol=0)


@pytest.mark.parametrize('options', [{}, dict(rel_pos=True, with_cls_token=False)])
def test_split_qv_bias__features_stay(options):
    """Softmax does not feel a bias of the keys, with relative positions or without."""
    source = make_vit(**options)
    split = qkv_packing.split_qv_bias(dict(source.state_dict()))
    vit = make_vit(seed=1, qkv_bias='no-key', **options)
    vit.load_state_dict(split)
    x = torch.randn(2, 3, 32, 32)
    assert_close(vit(x)[0], source(x)[0], atol=1e-5, rtol=1e-5)
