"""The printed table of parameter groups."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.optim.param_group_table import format_param_groups


class TinyTask(nn.Module):
    """Two blocks and a head."""

    def __init__(self):
        super().__init__()
        arch = dict(embed_dims=8, num_layers=2, num_heads=2)
        self.backbone = PlainViT(arch, img_size=(32, 48), pos_embed='sincos_xy')
        self.head = nn.Linear(8, 3)


def build(model, rate=0.5):
    cfg = dict(
        optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
        constructor='LayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=rate),
    )
    return build_optim_wrapper(model, cfg)


def test_table__rows_and_totals():
    model = TinyTask()
    wrapper = build(model)
    table = format_param_groups(wrapper, model)
    header, *rows, totals = table.splitlines()
    assert header.split() == 'group layer lr lr scale decay tensors parameters names'.split()
    assert len(rows) == len(wrapper.optimizer.param_groups) == 8
    cells = [row.split() for row in rows]
    assert cells[0] == ['0', '3', '0.002', '1', '0.05', '1', '24', 'head.weight']
    assert cells[2] == '2 2 0.001 0.5 0.05 4 768 backbone.blocks.1.attn.qkv.weight, ...'.split()
    assert cells[-2] == ['6', '0', '0.00025', '0.125', '0.05', '1', '6,144'] + [
        'backbone.patch_embed.proj.weight'
    ]
    assert cells[-1][:7] == ['7', '0', '0.00025', '0.125', '0', '2', '16']
    trained = sum(param.numel() for param in model.parameters() if param.requires_grad)
    assert f'with {trained:,} parameters in 8 groups' in totals
    assert 'not optimized: 1 tensors with 56 parameters' in totals


def test_table__columns_are_aligned():
    model = TinyTask()
    lines = format_param_groups(build(model), model).splitlines()[:-1]
    start = lines[0].index('names')
    assert all(line[start - 2 : start] == '  ' and line[start] != ' ' for line in lines)


def test_table__any_optimizer():
    """Groups of another constructor: no layer, the scale from the lr."""
    model = nn.Linear(2, 3)
    groups = [dict(params=[model.weight], lr=0.05), dict(params=[model.bias], weight_decay=0.1)]
    table = format_param_groups(torch.optim.SGD(groups, lr=0.5), model)
    rows = [line.split() for line in table.splitlines()[1:3]]
    assert rows[0] == ['0', '-', '0.05', '0.1', '0', '1', '6', 'weight']
    assert rows[1] == ['1', '-', '0.5', '1', '0.1', '1', '3', 'bias']


def test_table__not_an_optimizer():
    with pytest.raises(TypeError, match='got dict'):
        format_param_groups({}, nn.Linear(1, 1))
