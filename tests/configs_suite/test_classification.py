"""Classification: what the protocols train, how they start, and that names do not lie about it."""

import argparse
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, DictAction
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

from mae_transfer.backbones import PlainViT
from mae_transfer.data.data_block import apply_data_block
from mae_transfer.optim import MAELARS
from tests.configs_suite.file_names import check_name
from tests.configs_suite.reading import CONFIGS
from tests.configs_suite.tables.classification import (
    CAE_ATTENTIVE,
    CAE_BASE,
    CAE_LINEAR,
    CLASSIFY,
    LINEAR,
    PARTIAL,
    PARTIAL_MLP,
    SCRATCH_BASE,
    of_transfer,
)
from tests.configs_suite.tiny_data import make_class_folders
from tests.configs_suite.tiny_models import framework, shrink
from tests.references.checkpoint_files import own_checkpoint

FOOD = of_transfer('mae', 'linear-', 90, 'food101')


def build(path: str, **backbone) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Build a recipe, small, and its optimizer."""
    cfg = Config.fromfile(CONFIGS / path)
    cfg.model.backbone.update(backbone)
    init_cfg = cfg.model.backbone.get('init_cfg')
    framework(cfg)
    cfg = shrink(cfg)
    if 'checkpoint' in backbone.get('init_cfg', {}):
        cfg.model.backbone.init_cfg = init_cfg
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
        model.init_weights()
        return model, build_optim_wrapper(model, cfg.optim_wrapper).optimizer


@pytest.mark.parametrize(
    ('path', 'wrong'),
    [
        (LINEAR, LINEAR.replace('-linear', '')),
        (LINEAR, LINEAR.replace('linear', 'attentive')),
        (LINEAR, LINEAR.replace('mae-pre', 'cae-pre')),
        (LINEAR, LINEAR.replace('in1k', 'food101')),
        (CAE_ATTENTIVE, CAE_ATTENTIVE.replace('attentive', 'linear')),
        (PARTIAL, PARTIAL.replace('-partial', '')),
        (PARTIAL, PARTIAL_MLP),
        (PARTIAL_MLP, PARTIAL),
        (SCRATCH_BASE, SCRATCH_BASE.replace('-ema', '')),
        (SCRATCH_BASE, SCRATCH_BASE.replace('32xb128', 'mae-pre_32xb128')),
        (CLASSIFY, CLASSIFY.replace('amp-', 'amp-ema-')),
    ],
)
def test_file_name__with_a_lie_about_the_protocol_is_caught(path, wrong):
    with pytest.raises((AssertionError, AttributeError)):
        check_name(Path(wrong).stem, Config.fromfile(CONFIGS / path))


@pytest.mark.parametrize(
    ('path', 'parts'),
    [
        (LINEAR, {'head'}),
        (CAE_LINEAR, {'head'}),
        (CAE_ATTENTIVE, {'neck', 'head'}),
        (PARTIAL, {'backbone', 'head'}),
    ],
)
def test_protocol__optimises_what_it_trains_and_nothing_else(path, parts):
    model, optimizer = build(path)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimised = {
        names[id(parameter)].partition('.')[0]
        for group in optimizer.param_groups
        for parameter in group['params']
    }
    assert optimised == parts
    assert isinstance(optimizer, MAELARS) == ('linear' in path)


def test_cae__decays_its_tables_and_trains_no_absolute_positions():
    """As in CAE's code: tables are 2-D, so decayed, at their block's rate; positions are fixed."""
    _, optimizer = build(CAE_BASE)
    groups = {name: group for group in optimizer.param_groups for name in group['param_names']}
    table = groups['backbone.blocks.0.attn.relative_position_bias_table']
    assert table['weight_decay'] == 0.05
    assert table['lr'] == pytest.approx(8e-3 * 0.65**12)
    for name in ('backbone.cls_token', 'backbone.blocks.0.attn.q_bias', 'backbone.fc_norm.weight'):
        assert groups[name]['weight_decay'] == 0.0
    assert 'backbone.pos_embed' not in groups


@pytest.mark.parametrize('path', [CLASSIFY, CAE_BASE])
def test_fc_norm__starts_fresh_for_mae_and_from_the_final_norm_for_cae(path, tmp_path):
    cfg = shrink(Config.fromfile(CONFIGS / path))
    keys = ('arch', 'img_size', 'patch_size', 'pos_embed', 'qkv_bias', 'layer_scale_init')
    encoder = PlainViT(
        **{key: cfg.model.backbone[key] for key in keys if key in cfg.model.backbone}
    )
    torch.nn.init.normal_(encoder.norm.weight)
    torch.save(own_checkpoint(encoder.state_dict()), tmp_path / 'encoder.pth')
    init_cfg = dict(Config.fromfile(CONFIGS / path).model.backbone.init_cfg)
    init_cfg['checkpoint'] = str(tmp_path / 'encoder.pth')
    model, _ = build(path, init_cfg=init_cfg)
    expected = encoder.norm.weight if path == CAE_BASE else torch.ones(32)
    torch.testing.assert_close(model.backbone.fc_norm.weight, expected)
    torch.testing.assert_close(model.backbone.blocks[3].norm1.weight, torch.ones(32))
    torch.testing.assert_close(model.backbone.cls_token, encoder.cls_token)


@pytest.mark.parametrize('k', [0, 0.5, 1, 2, 4, 6, 12, 18, 24])
def test_partial_fine_tuning__takes_k_from_the_command_line(k):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    option = f'model.backbone.trainable_blocks={k}'
    cfg = Config.fromfile(CONFIGS / PARTIAL)
    cfg.merge_from_dict(parser.parse_args(['--cfg-options', option]).cfg_options)
    model, _ = build(PARTIAL, trainable_blocks=cfg.model.backbone.trainable_blocks)
    trained = {
        name.split('.')[2]
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and '.blocks.' in name
    }
    assert len(trained) == (1 if k == 0.5 else k)


def test_transfer_set__takes_its_classes_from_the_folders_of_a_data_block(tmp_path):
    make_class_folders(tmp_path)
    cfg = Config.fromfile(CONFIGS / FOOD)
    cfg.data = dict(root=str(tmp_path), train_img='train', val_img='val')
    apply_data_block(cfg)
    assert cfg.model.head.num_classes == 2
    assert cfg.test_dataloader.dataset.data_root == str(tmp_path)
