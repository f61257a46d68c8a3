"""What a checkpoint says about other files, after it was read by MMEngine."""

import copy

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.runner import CheckpointLoader

from mae_transfer.compat.checkpoint_paths import keep_own_paths
from tests.support.runners import MeanModel, short_runner


@pytest.mark.parametrize(
    'stated, expected',
    [
        ('/gone/best_acc_iter_1.pth', 'best_acc_iter_1.pth'),  # of a moved run
        (r'C:\gone\best_acc_iter_1.pth', 'best_acc_iter_1.pth'),
        ('/gone/best_acc_iter_2.pth', None),
        ('/gone/iter_1.pth', None),
        ('/etc/passwd', None),
        ('', None),
        (None, None),
        (['best_acc_iter_1.pth'], None),
    ],
)
def test_keep_own_paths__best(tmp_path, stated, expected):
    for name in ('best_acc_iter_1.pth', 'iter_1.pth'):
        (tmp_path / name).touch()
    info = {'best_ckpt': stated, 'best_ckpt_acc': stated, 'best_score': 0.5}
    keep_own_paths(tmp_path / 'iter_1.pth', {'message_hub': {'runtime_info': info}})
    path = str(tmp_path / expected) if expected else None
    assert (info.get('best_ckpt'), info.get('best_ckpt_acc')) == (path, path)
    assert info['best_score'] == 0.5


@pytest.mark.parametrize(
    'stated, expected',
    [([1, 2], [1, 2]), ([1, '../2', 3.0, None, True], [1]), ('12', []), (None, []), ({1: 2}, [])],
)
def test_keep_own_paths__steps(tmp_path, stated, expected):
    info = {'keep_ckpt_ids': stated}
    keep_own_paths(tmp_path / 'x.pth', {'message_hub': {'runtime_info': info}})
    assert info == {'keep_ckpt_ids': expected}


@pytest.mark.parametrize('content', [3, {}, {'message_hub': 3}, {'message_hub': {}}])
def test_keep_own_paths__nothing_said(tmp_path, content):
    before = copy.deepcopy(content)
    keep_own_paths(tmp_path / 'x.pth', content)
    assert content == before


def test_keep_own_paths__mmengines_hook_removes_no_file_of_others(tmp_path):
    """As in a run of plain MMEngine that was copied, or resumes from a hostile file."""

    def runner(**more):
        hook = dict(type='CheckpointHook', by_epoch=False, interval=1, save_best='acc')
        return short_runner(
            tmp_path / 'run', MeanModel(torch.nn.Conv2d(3, 1, 1)), torch.rand(3, 4, 4), 2,
            default_hooks=dict(checkpoint=hook | dict(rule='greater'), logger=None), **more,
        )  # fmt: skip

    runner().train()
    path, victim = tmp_path / 'run/iter_2.pth', tmp_path / 'best_of_others.pth'
    victim.touch()
    content = torch.load(path, weights_only=False)
    content['meta']['iter'] = 1
    content['message_hub']['runtime_info'] |= dict(best_ckpt=str(victim), best_score=0.1)
    torch.save(content, path)
    resumed = runner(load_from=str(path), resume=True)
    resumed.train()
    hook = next(hook for hook in resumed.hooks if type(hook) is CheckpointHook)
    hook._save_best_checkpoint(resumed, {'acc': 0.9})
    assert victim.exists() and (tmp_path / 'run/best_acc_iter_2.pth').exists()
    loaded = CheckpointLoader.load_checkpoint(str(path), logger='silent')
    assert loaded['message_hub']['runtime_info']['best_score'] == 0.9
