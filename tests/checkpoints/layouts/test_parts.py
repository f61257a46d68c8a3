import pytest
import torch

from mae_transfer.checkpoints.layouts.parts import find_parts, rel_pos_names
from tests.references.checkpoint_files import make_vit


@pytest.mark.parametrize(
    'changes',
    [
        {},
        dict(with_cls_token=False, num_register_tokens=2),
        dict(qkv_bias='no-key', layer_scale_init=0.1),
        dict(qkv_bias=False, pos_embed=None, out_type='avg'),
        dict(final_norm=False),
        dict(with_cls_token=False, rel_pos='decomposed', window_size=2),
        dict(rel_pos='table'),
        dict(rel_pos='shared_table'),
        dict(with_cls_token=False, rel_pos='shared_table', window_size=2),  # no global block
    ],
)
def test_find_parts__are_the_arguments_that_the_encoder_was_built_with(changes):
    parts = find_parts(make_vit(**changes).state_dict())
    assert parts.with_cls_token is changes.get('with_cls_token', True)
    assert parts.num_register_tokens == changes.get('num_register_tokens', 0)
    assert parts.qkv_bias == changes.get('qkv_bias', True)
    assert parts.layer_scale is ('layer_scale_init' in changes)
    assert parts.rel_pos == changes.get('rel_pos', False)
    pooled = changes.get('out_type') == 'avg'
    assert (parts.norm, parts.fc_norm) == (not pooled and changes.get('final_norm', True), pooled)
    rows = 16 + parts.with_cls_token
    assert parts.pos_embed == (None if 'pos_embed' in changes else (1, rows, 32))


def test_find_parts__a_distillation_token_counts_as_a_register_token():
    parts = find_parts({'cls_token': torch.ones(1, 1, 4), 'dist_token': torch.ones(1, 1, 4)})
    assert parts.num_register_tokens == 1


def test_find_parts__odd_tensors():
    parts = find_parts({'reg_token': torch.ones(4), 'pos_embed': torch.ones(3)})
    assert (parts.num_register_tokens, parts.pos_embed) == (0, (3,))


@pytest.mark.parametrize('rel_pos', ['decomposed', 'table', 'shared_table'])
def test_rel_pos_names__are_what_the_encoder_gains(rel_pos):
    plain = dict(with_cls_token=False, window_size=2, global_blocks=(1,))
    gained = list(make_vit(**plain, rel_pos=rel_pos).state_dict())
    assert rel_pos_names(gained) == [n for n in gained if n not in make_vit(**plain).state_dict()]
    assert rel_pos_names(gained) and not rel_pos_names(['pos_embed', 'blocks.0.rel_pos_hx'])
