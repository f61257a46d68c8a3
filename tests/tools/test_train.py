"""tools/train.py: the parts that change the config, and a whole run from another folder."""

import sys

import pytest
import torch
from mmengine.config import Config

from mae_transfer.run.learning_rate import scale_lr
from mae_transfer.run.precision import set_amp
from mae_transfer.run.weights import set_load_account, set_pretrained, set_resume
from tests.support.tools import CONFIGS, TOOLS, finish, start


def lr_config(**rule) -> Config:
    return Config(
        dict(
            auto_scale_lr=rule,
            train_dataloader=dict(batch_size=2, dataset=dict(type='ImageNet', pipeline=[])),
            optim_wrapper=dict(accumulative_counts=4, optimizer=dict(type='AdamW', lr=1e-4)),
        )
    )


def test_scale_lr__counts_processes_images_and_accumulation(capsys):
    """1e-4 x (2 processes x 2 images x 4 accumulated) / 64 = 2.5e-5."""
    cfg = lr_config(base_batch_size=64, enable=True)
    scale_lr(cfg, world_size=2)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(2.5e-5)
    assert 'lr 0.0001 (recipe, batch 64) x 16/64 = 2.5e-05' in capsys.readouterr().out
    assert cfg.auto_scale_lr.enable is False  # mmengine would scale once more


def test_scale_lr__counts_crops_of_one_picture(capsys):
    """Repeated sampling: 1e-4 x (1 process x 2 images x 4 accumulated x 8 crops) / 64."""
    cfg = lr_config(base_batch_size=64)
    cfg.train_dataloader.dataset.pipeline = [dict(type='MultiView', num_views=8, transforms=[[]])]
    scale_lr(cfg, world_size=1)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-4)
    assert '4 accumulated x 8 crops of each' in capsys.readouterr().out


def test_scale_lr__needs_the_batch_size_of_the_recipe():
    with pytest.raises(ValueError, match='base_batch_size'):
        scale_lr(lr_config(), world_size=1)


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AmpOptimWrapper'])
def test_set_amp__keeps_a_dtype_of_the_config(kind):
    cfg = Config(dict(optim_wrapper=dict(type=kind, dtype='float16')))
    set_amp(cfg)
    assert dict(cfg.optim_wrapper) == dict(type='AutocastOptimWrapper', dtype='float16')


def test_set_amp__takes_bfloat16_on_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper')))
    set_amp(cfg)
    assert cfg.optim_wrapper.dtype == 'bfloat16'


def test_set_amp__refuses_other_wrappers():
    with pytest.raises(ValueError, match='ApexOptimWrapper'):
        set_amp(Config(dict(optim_wrapper=dict(type='ApexOptimWrapper'))))


def test_set_resume__without_a_checkpoint_starts_from_scratch_and_says_so(tmp_path, capsys):
    cfg = Config(dict(work_dir=str(tmp_path)))
    assert set_resume(cfg, 'latest') is None
    assert 'resume' not in cfg
    assert 'starts from scratch' in capsys.readouterr().out


def test_set_resume__finds_the_checkpoint_of_a_moved_work_dir(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('/gone/iter_3.pth')
    (tmp_path / 'iter_3.pth').touch()
    cfg = Config(dict(work_dir=str(tmp_path)))
    assert set_resume(cfg, 'latest') == str(tmp_path / 'iter_3.pth')
    assert (cfg.resume, cfg.load_from) == (True, str(tmp_path / 'iter_3.pth'))


def test_set_pretrained__sets_the_backbone_only(tmp_path, monkeypatch):
    (tmp_path / 'mae.pth').touch()
    monkeypatch.chdir(tmp_path)
    cfg = Config(dict(model=dict(backbone=dict(type='PlainViT'), neck=dict())))
    set_pretrained(cfg, 'mae.pth', resume=None, resumed=None)
    init_cfg = dict(type='PretrainedViT', checkpoint=str(tmp_path / 'mae.pth'))
    assert cfg.model.to_dict() == dict(
        backbone=dict(type='PlainViT', init_cfg=init_cfg), neck=dict()
    )


def test_set_pretrained__fits_the_file_as_the_recipe_says(tmp_path):
    former = dict(type='PretrainedViT', checkpoint='cae.pth', fc_norm='norm')
    cfg = Config(dict(model=dict(backbone=dict(type='PlainViT', init_cfg=former))))
    set_pretrained(cfg, str(tmp_path), resume=None, resumed=None)
    assert cfg.model.backbone.init_cfg == dict(former, checkpoint=str(tmp_path))
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='cae.pth', prefix='backbone.')
    set_pretrained(cfg, str(tmp_path), resume=None, resumed=None)
    assert cfg.model.backbone.init_cfg == dict(type='PretrainedViT', checkpoint=str(tmp_path))


def test_set_pretrained__a_requeued_job_goes_on_from_its_own_checkpoint(tmp_path, capsys):
    cfg = Config(dict(model=dict(backbone=dict())))
    set_pretrained(cfg, str(tmp_path), resume='latest', resumed='iter_1.pth')
    assert 'init_cfg' not in cfg.model.backbone
    assert 'is not read' in capsys.readouterr().out
    with pytest.raises(ValueError, match='contradict'):
        set_pretrained(cfg, str(tmp_path), resume='iter_1.pth', resumed='iter_1.pth')


def test_set_pretrained__weights_of_timm_by_name():
    cfg = Config(dict(model=dict(backbone=dict(type='PlainViT'))))
    set_pretrained(cfg, 'timm:vit_base_patch16_224.mae', resume=None, resumed=None)
    assert cfg.model.backbone.init_cfg.checkpoint == 'timm:vit_base_patch16_224.mae'


def test_set_load_account__every_run_has_one():
    cfg = Config(dict(model=dict(backbone=dict()), custom_hooks=[dict(type='NaNGuard')]))
    for _ in range(2):
        set_load_account(cfg, [])
    assert [hook['type'] for hook in cfg.custom_hooks] == ['NaNGuard', 'LoadAccountHook']


def test_set_load_account__allow_partial():
    init_cfg = dict(type='PretrainedViT', checkpoint='x.pth')
    cfg = Config(dict(model=dict(backbone=dict(init_cfg=init_cfg))))
    set_load_account(cfg, ['norm.*'])
    assert cfg.model.backbone.init_cfg.allow_partial == ['norm.*']
    assert cfg.custom_hooks == [dict(type='LoadAccountHook', allow_partial=['norm.*'])]
    with pytest.raises(ValueError, match=r'--allow-partial norm.\*: this run loads no checkpoint'):
        set_load_account(Config(dict(model=dict(backbone=dict()))), ['norm.*'])


@pytest.mark.slow
def test_train__resume_equals_an_uninterrupted_run(tmp_path, mask_options):
    """Iteration 2 after `--resume` at 1 gives the weights of two iterations at once."""
    options = [
        *mask_options,
        'train_dataloader.dataset.pipeline.4.prob=0.0',
        'model.decode_head.dropout_ratio=0.0',
        'model.auxiliary_head.dropout_ratio=0.0',
    ]
    command = [sys.executable, TOOLS / 'train.py', CONFIGS / 'tiny_upernet.py', '--auto-scale-lr']
    whole = finish(start(*command, '--work-dir', 'whole', '--cfg-options', *options, cwd=tmp_path))
    assert 'lr 0.0001 (recipe, batch 16) x 2/16 = 1.25e-05' in whole
    assert 'mIoU' in whole
    # As after an interruption: only the first checkpoint is there, and the work dir has moved.
    (tmp_path / 'moved').mkdir()
    (tmp_path / 'whole' / 'iter_1.pth').rename(tmp_path / 'moved' / 'iter_1.pth')
    (tmp_path / 'moved' / 'last_checkpoint').write_text('whole/iter_1.pth')
    finish(
        start(*command, '--work-dir', 'moved', '--resume', '--cfg-options', *options, cwd=tmp_path)
    )
    states = [
        torch.load(tmp_path / folder / 'iter_2.pth', weights_only=False)
        for folder in ('whole', 'moved')
    ]
    torch.testing.assert_close(states[0]['state_dict'], states[1]['state_dict'], rtol=0, atol=1e-7)
    first = torch.load(tmp_path / 'moved' / 'iter_1.pth', weights_only=False)['state_dict']
    weight = 'decode_head.conv_seg.weight'
    assert not torch.equal(first[weight], states[0]['state_dict'][weight])
