"""tools/train.py and tools/test.py on whole runs: interrupted, resumed, evaluated by work dir."""

import json
import runpy
import sys

import pytest
import torch

from mae_transfer.run.state import restored_state
from tests.support.tools import CONFIGS


@pytest.mark.slow
def test_train__resume_equals_an_uninterrupted_run(run_main, tmp_path, mask_options):
    """Iteration 2 after `--resume` at 1 gives loss and weights of two iterations at once.

    With flips, dropout and drop path.
    """
    options = [*mask_options, 'model.backbone.drop_path_rate=0.5']

    def train(*arguments: str) -> str:
        command = ['train', CONFIGS / 'tiny_upernet.py', *arguments, '--cfg-options', *options]
        code, out, err = run_main(*command)
        assert code == 0, err
        return out

    whole = train('--auto-scale-lr', '--work-dir', 'whole')
    assert 'lr 0.0001 (recipe, batch 16) x 2/16 = 1.25e-05' in whole
    # As after an interruption: only the first checkpoint is there, and the work dir has moved.
    (tmp_path / 'moved').mkdir()
    (tmp_path / 'whole' / 'iter_1.pth').rename(tmp_path / 'moved' / 'iter_1.pth')
    (tmp_path / 'moved' / 'last_checkpoint').write_text('whole/iter_1.pth')
    train('--auto-scale-lr', '--work-dir', 'moved', '--resume')
    states = [
        torch.load(tmp_path / folder / 'iter_2.pth', weights_only=False)
        for folder in ('whole', 'moved')
    ]
    torch.testing.assert_close(states[0]['state_dict'], states[1]['state_dict'], rtol=0, atol=1e-7)
    losses = [_losses(tmp_path / folder)[2] for folder in ('whole', 'moved')]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    first = torch.load(tmp_path / 'moved' / 'iter_1.pth', weights_only=False)['state_dict']
    weight = 'decode_head.conv_seg.weight'
    assert not torch.equal(first[weight], states[0]['state_dict'][weight])

    # Two work dirs are enough to evaluate: of a config that was resumed, and with another config.
    mIoU = []
    for arguments in (['moved'], [CONFIGS / 'tiny_upernet.py', 'whole', '--work-dir', 'tested']):
        code, out, err = run_main(
            'test', *arguments, '--out', 'metrics.json', '--cfg-options', *mask_options
        )
        assert code == 0, err
        assert f'{"moved" if len(arguments) == 1 else "whole"}/iter_2.pth, the last of' in out
        mIoU.append(json.loads((tmp_path / 'metrics.json').read_text())['metrics']['mIoU'])
    assert mIoU[0] == mIoU[1] == pytest.approx(_last_validation(tmp_path / 'moved')['mIoU'])
    assert (tmp_path / 'moved' / 'test').is_dir()


def _scalars(work_dir) -> list[dict]:
    (path,) = work_dir.glob('2*/vis_data/scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


def _losses(work_dir) -> dict[int, float]:
    return {line['step']: line['loss'] for line in _scalars(work_dir) if 'loss' in line}


def _last_validation(work_dir) -> dict:
    return [line for line in _scalars(work_dir) if 'mIoU' in line][-1]


@pytest.mark.slow
def test_train__counts_steps_as_mmdetections_own_tool(run_main, tmp_path, coco_folder, monkeypatch):
    """Two forward passes a step: rates, losses and checkpoints of three steps."""
    import mmdet

    own = tmp_path / 'own.py'
    own.write_text(
        f"_base_ = '{CONFIGS}/tiny_mask_rcnn.py'\n"
        'optim_wrapper = dict(accumulative_counts=2)\n'
        "param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=3)]\n"
        'train_cfg = dict(max_iters=3, val_interval=9)\n'
        'val_cfg = val_dataloader = val_evaluator = None\n'
    )
    data = 'train_dataloader.dataset'
    options = [f'{data}.data_root={coco_folder}', f'{data}.ann_file=train.json']
    options.append(f'{data}.data_prefix.img=train')
    options.append(f'{data}.metainfo.classes=plate,door')
    options += ['model.roi_head.bbox_head.num_classes=2', 'model.roi_head.mask_head.num_classes=2']
    code, _, err = run_main('train', own, '--work-dir', 'ours', '--cfg-options', *options)
    assert code == 0, err
    tool = f'{mmdet.__path__[0]}/.mim/tools/train.py'
    monkeypatch.setattr(
        sys, 'argv', [tool, str(own), '--work-dir', 'theirs', '--cfg-options', *options]
    )
    with restored_state():
        runpy.run_path(tool, run_name='__main__')
    ours, theirs = _scalars(tmp_path / 'ours'), _scalars(tmp_path / 'theirs')
    assert len(ours) == len(theirs) == 3
    for key in ('lr', 'loss', 'iter'):
        assert [line[key] for line in ours] == [line[key] for line in theirs]
    assert all(line['grad_norm'] > 0 for line in ours)  # theirs have it only with clipping
    names = [{p.name for p in (tmp_path / run).glob('iter_*')} for run in ('ours', 'theirs')]
    assert names[0] == names[1] == {'iter_1.pth', 'iter_2.pth', 'iter_3.pth'}
