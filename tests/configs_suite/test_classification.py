"""Classification: what the protocols train, how they start, and that names do not lie about it."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mae_transfer.backbones import PlainViT
from mae_transfer.data.data_block import apply_data_block
from mae_transfer.optim import MAELARS
from tests.configs_suite.file_names import check_name
from tests.configs_suite.reading import CONFIGS, cfg_options, load, plain
from tests.configs_suite.tables.classification import (
    ATTENTIVE,
    CAE_ATTENTIVE,
    CAE_BASE,
    CAE_LINEAR,
    CLASSIFY,
    LINEAR,
    PARTIAL,
    PARTIAL_MLP,
    SCRATCH_BASE,
)
from tests.configs_suite.tiny_data import make_class_folders
from tests.configs_suite.tiny_models import build_model, prepare_run, shrink
from tests.references.checkpoint_files import own_checkpoint


def build(path: str, **backbone) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Build a recipe, small, and its optimizer."""
    cfg = load(path)
    cfg.model.backbone.update(backbone)
    init_cfg = cfg.model.backbone.get('init_cfg')
    cfg = shrink(cfg)
    if 'checkpoint' in backbone.get('init_cfg', {}):
        cfg.model.backbone.init_cfg = init_cfg
    model = build_model(cfg)
    model.init_weights()
    return model, build_optim_wrapper(model, cfg.optim_wrapper).optimizer


@pytest.mark.parametrize(
    ('path', 'wrong'),
    [
        (LINEAR, LINEAR.replace('-linear', '')),
        (LINEAR, LINEAR.replace('linear', 'attentive')),
        (LINEAR, LINEAR.replace('mae-pre', 'cae-pre')),
        (LINEAR, LINEAR.replace('in1k', 'cifar10')),
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
        check_name(Path(wrong).stem, load(path))


@pytest.mark.parametrize(
    ('path', 'parts'),
    [
        (LINEAR, {'head'}),
        (CAE_LINEAR, {'head'}),
        (CAE_ATTENTIVE, {'neck', 'head'}),
        (PARTIAL, {'backbone', 'head'}),
    ],
)
def test_protocol__optimizes_what_it_trains_and_nothing_else(path, parts):
    model, optimizer = build(path)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimized = {
        names[id(parameter)].partition('.')[0]
        for group in optimizer.param_groups
        for parameter in group['params']
    }
    assert optimized == parts
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
    cfg = shrink(load(path))
    keys = ('arch', 'img_size', 'patch_size', 'pos_embed', 'qkv_bias', 'layer_scale_init')
    encoder = PlainViT(
        **{key: cfg.model.backbone[key] for key in keys if key in cfg.model.backbone}
    )
    torch.nn.init.normal_(encoder.norm.weight)
    torch.save(own_checkpoint(encoder.state_dict()), tmp_path / 'encoder.pth')
    init_cfg = dict(load(path).model.backbone.init_cfg)
    init_cfg['checkpoint'] = str(tmp_path / 'encoder.pth')
    model, _ = build(path, init_cfg=init_cfg)
    expected = encoder.norm.weight if path == CAE_BASE else torch.ones(32)
    torch.testing.assert_close(model.backbone.fc_norm.weight, expected)
    torch.testing.assert_close(model.backbone.blocks[3].norm1.weight, torch.ones(32))
    torch.testing.assert_close(model.backbone.cls_token, encoder.cls_token)


@pytest.mark.parametrize('k', [0, 0.5, 1, 2, 4, 6, 12, 18, 24])
def test_partial_fine_tuning__takes_k_from_the_command_line(k):
    cfg = load(PARTIAL)
    cfg.merge_from_dict(cfg_options(f'model.backbone.trainable_blocks={k}'))
    model, _ = build(PARTIAL, trainable_blocks=cfg.model.backbone.trainable_blocks)
    trained = {
        name.split('.')[2]
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and '.blocks.' in name
    }
    assert len(trained) == (1 if k == 0.5 else k)


# ---- other data sets: the page's command


def options_of_page() -> list[str]:
    """The options of the page's command for folders of classes."""
    page = (CONFIGS / 'classification/README.md').read_text()
    command = re.search(r'data\.root=FOLDER.*?(?=\n\n)', page, re.S)[0]
    return re.findall(r'[\w.]+=\S+', command.replace('\\\n', ' '))


@pytest.mark.parametrize(
    ('path', 'lr'),
    [
        (CLASSIFY, 5e-4 * 1024 / 256),
        (CAE_BASE, 8e-3 * 1024 / 4096),
        (LINEAR, 0.1 * 1024 / 256),
        (CAE_LINEAR, 0.1 * 1024 / 256),
        (ATTENTIVE, 0.4 * 1024 / 8192),
        (CAE_ATTENTIVE, 0.4 * 1024 / 8192),
    ],
)
def test_other_data__by_the_command_of_the_page(path, lr, tmp_path):
    """8 GPUs x 128 images of any folders; classes are counted, the rate follows the batch."""
    make_class_folders(tmp_path)
    cfg, recipe = load(path), load(path)
    options = cfg_options(*options_of_page())
    assert {'data.root', 'train_dataloader.batch_size'} < set(options)
    options['data.root'] = str(tmp_path)
    cfg.merge_from_dict(options)
    lines = apply_data_block(cfg, options)

    assert any('2 classes from the folders' in line for line in lines)
    assert cfg.model.head.num_classes == cfg.model.data_preprocessor.num_classes == 2
    for stage, folder in (('train', 'train'), ('val', 'val'), ('test', 'val')):
        dataset = cfg[f'{stage}_dataloader'].dataset
        assert plain(dataset) == dict(
            type='CustomDataset',
            data_root=str(tmp_path),
            data_prefix=folder,
            with_label=True,
            pipeline=plain(recipe[f'{stage}_dataloader'].dataset.pipeline),
        )
    assert cfg.train_dataloader.batch_size == 128
    scaled = cfg.optim_wrapper.optimizer.lr * 8 * 128 / cfg.auto_scale_lr.base_batch_size
    assert scaled == pytest.approx(lr)


@pytest.mark.slow
def test_other_data__trains_from_folders(tmp_path):
    """The command's options, small: an epoch of two pictures of two classes."""
    make_class_folders(tmp_path / 'data')
    cfg = shrink(load(CAE_LINEAR))
    cfg.merge_from_dict(cfg_options(*options_of_page()))
    cfg.data.root = str(tmp_path / 'data')
    apply_data_block(cfg)
    cfg = prepare_run(cfg, tmp_path / 'data', tmp_path / 'run')
    cfg.train_cfg.max_epochs = 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.model.head.fc.out_features == 2
    assert 0 <= runner.message_hub.get_scalar('val/accuracy/top1').current() <= 100
