"""tools/train.py: a whole run from another folder, interrupted and resumed."""

import sys

import pytest
import torch

from tests.tools.conftest import CONFIGS, TOOLS, finish, start


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
