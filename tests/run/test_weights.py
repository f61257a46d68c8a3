"""What a run starts from: weights, a checkpoint to resume, and the account of both."""

import pytest
import torch
from mmengine.config import Config

from mae_transfer.run.weights import (
    check_start,
    set_load_account,
    set_pretrained,
    set_resume,
    skip_weights_of_recipe,
)


def test_set_resume__without_a_checkpoint_starts_from_scratch_and_says_so(tmp_path, capsys):
    cfg = Config(dict(work_dir=str(tmp_path)))
    assert set_resume(cfg, 'latest') is None
    assert 'resume' not in cfg
    assert 'starts from scratch' in capsys.readouterr().out


def test_set_resume__finds_the_checkpoint_of_a_moved_work_dir(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('/gone/iter_3.pth')
    torch.save({'a': torch.ones(1)}, tmp_path / 'iter_3.pth')
    cfg = Config(dict(work_dir=str(tmp_path)))
    assert set_resume(cfg, 'latest') == str(tmp_path / 'iter_3.pth')
    assert (cfg.resume, cfg.load_from) == (True, str(tmp_path / 'iter_3.pth'))


def test_set_resume__passes_over_a_damaged_one_and_says_so(tmp_path, capsys):
    hub = dict(meta=dict(iter=1, epoch=0), message_hub={}, state_dict={'a': torch.ones(1)})
    for iteration in (1, 2):
        hub['meta']['iter'] = iteration
        torch.save(hub, tmp_path / f'iter_{iteration}.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_2.pth'))
    (tmp_path / 'iter_2.pth').write_bytes((tmp_path / 'iter_2.pth').read_bytes()[:-9])
    for resume in ('latest', str(tmp_path)):
        cfg = Config(dict(work_dir=str(tmp_path)))
        assert set_resume(cfg, resume) == cfg.load_from == str(tmp_path / 'iter_1.pth')
        told = capsys.readouterr().out.splitlines()
        assert len(told) == 2 and told[0].startswith('WARNING: --resume: ')
        assert 'iter_2.pth is truncated' in told[0] and 'iter_1.pth is the newest' in told[0]


@pytest.mark.parametrize('name', ['iter_3.pth', 'epoch_1.pth', 'best_acc_iter_1.pth'])
@pytest.mark.parametrize('pointer', [None, ''])
def test_set_resume__never_starts_over_existing_checkpoints(tmp_path, name, pointer):
    (tmp_path / name).write_bytes(b'damaged')
    if pointer is not None:
        (tmp_path / 'last_checkpoint').write_text(pointer)
    with pytest.raises(ValueError, match=f'contains no whole checkpoint: .*{name}'):
        set_resume(Config(dict(work_dir=str(tmp_path))), 'latest')


def test_set_resume__of_an_empty_work_dir_by_name(tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path)))
    with pytest.raises(FileNotFoundError, match='--resume: .* contains no checkpoint of a run'):
        set_resume(cfg, str(tmp_path))


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
    assert 'is ignored' in capsys.readouterr().out
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


def test_set_load_account__keeps_that_of_the_recipe():
    hooks = [dict(type='LoadAccountHook', whole=True), dict(type='NaNGuard')]
    cfg = Config(dict(model=dict(backbone=dict()), custom_hooks=hooks, load_from='x.pth'))
    set_load_account(cfg, [])
    assert cfg.custom_hooks == hooks
    set_load_account(cfg, ['head.*'])
    assert cfg.custom_hooks == [dict(hooks[0], allow_partial=['head.*']), hooks[1]]


def test_set_load_account__allow_partial():
    init_cfg = dict(type='PretrainedViT', checkpoint='x.pth')
    cfg = Config(dict(model=dict(backbone=dict(init_cfg=init_cfg))))
    set_load_account(cfg, ['norm.*'])
    assert cfg.model.backbone.init_cfg.allow_partial == ['norm.*']
    assert cfg.custom_hooks == [dict(type='LoadAccountHook', allow_partial=['norm.*'])]
    with pytest.raises(ValueError, match=r'--allow-partial norm.\*: this run loads no checkpoint'):
        set_load_account(Config(dict(model=dict(backbone=dict()))), ['norm.*'])


@pytest.mark.parametrize(
    ('start', 'allow_partial', 'read'),
    [
        (dict(load_from='x.pth'), [], False),
        (dict(load_from='x.pth'), ['norm.*'], True),
        (dict(load_from='x.pth', resume=True), [], True),
        (dict(), [], True),
    ],
)
def test_skip_weights_of_recipe__where_load_from_replaces_them(start, allow_partial, read, capsys):
    init_cfg = dict(type='PretrainedViT', checkpoint='recipe.pth')
    cfg = Config(dict(model=dict(backbone=dict(init_cfg=init_cfg)), **start))
    skip_weights_of_recipe(cfg, allow_partial)
    assert cfg.model.backbone.init_cfg == (init_cfg if read else None)
    assert ('recipe.pth is not read' in capsys.readouterr().out) != read


@pytest.mark.parametrize('name', ['upernet_vit-demo-p8_mae-pre_1xb8', 'vit_cae-800e-pre', 'x_pre'])
def test_check_start__warns_of_a_recipe_without_its_weights(name):
    cfg = Config(dict(model=dict(backbone=dict(type='PlainViT'))))
    warning = check_start(cfg, name, ())
    if name == 'x_pre':  # no part that ends in '-pre'
        assert warning is None
    else:
        assert warning.startswith(f'{name} is a recipe for pre-trained weights')
        assert '--pretrained FILE' in warning


def test_check_start__is_silent_where_weights_are_given_or_random_ones_asked_for(tmp_path):
    name = 'vit_mae-pre_1xb8'
    bare = dict(backbone=dict(type='PlainViT'))
    assert check_start(Config(dict(model=bare)), name, ['model.backbone.init_cfg']) is None
    assert check_start(Config(dict(model=bare, resume=True)), name, ()) is None
    assert check_start(Config(dict(model=bare, load_from='x.pth')), name, ()) is None
    assert check_start(Config(dict(model=bare)), 'vit_1xb8', ()) is None
    assert check_start(Config(dict(model=bare)), None, ()) is None
    (tmp_path / 'mae.pth').touch()
    for checkpoint in (tmp_path, tmp_path / 'mae.pth', 'timm:vit_base_patch16_224.mae'):
        init_cfg = dict(type='PretrainedViT', checkpoint=str(checkpoint))
        cfg = Config(dict(model=dict(backbone=dict(type='PlainViT', init_cfg=init_cfg))))
        assert check_start(cfg, name, ()) is None


def test_check_start__names_the_remedy_for_absent_weights():
    init_cfg = dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_base.pth')
    cfg = Config(dict(model=dict(backbone=dict(type='PlainViT', init_cfg=init_cfg))))
    with pytest.raises(FileNotFoundError, match='mae_pretrain_vit_base.*--pretrained.*weights.md'):
        check_start(cfg, 'vit_mae-pre_1xb8', ())


def test_set_resume__takes_a_work_dir_for_its_last_checkpoint(tmp_path):
    torch.save({'a': torch.ones(1)}, tmp_path / 'iter_3.pth')
    (tmp_path / 'last_checkpoint').write_text('iter_3.pth')
    cfg = Config(dict(work_dir=str(tmp_path / 'new')))
    assert set_resume(cfg, str(tmp_path)) == str(tmp_path / 'iter_3.pth')
