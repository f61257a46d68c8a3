import os
import re
from pathlib import Path

import pytest
import torch

from mae_transfer.checkpoints.files.last_checkpoint import (
    POINTER,
    find_last_checkpoint,
    last_checkpoint,
)
from mae_transfer.compat.safe_load import UntrustedError
from tests.support.hostile_pickles import WritesAFile


def save(path: Path, iteration: int, epoch: int = 0, weight: float = 1.0, **more) -> Path:
    """A checkpoint of a run, as small as possible."""
    content = dict(meta=dict(iter=iteration, epoch=epoch), message_hub={}, optimizer={})
    torch.save(content | dict(state_dict={'weight': torch.full((100,), weight)}) | more, path)
    return path


def make_run(folder, iterations, pointer=None):
    folder.mkdir()
    for iteration in iterations:
        save(folder / f'iter_{iteration}.pth', iteration)
    if pointer is not None:
        (folder / POINTER).write_text(f'{pointer}\n')
    return folder


def flip(path: Path) -> None:
    """Change one bit of a tensor."""
    data = bytearray(path.read_bytes())
    data[data.find(torch.ones(100).numpy().tobytes()) + 42] ^= 4
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b'')


def test_last_checkpoint__the_one_that_the_pointer_names(tmp_path):
    run = make_run(tmp_path / 'run', [1, 2], tmp_path / 'run' / 'iter_1.pth')
    assert last_checkpoint(str(run)) == run / 'iter_1.pth'


@pytest.mark.parametrize('pointer', ['/gone/iter_1.pth', 'gone/iter_1.pth', r'C:\gone\iter_1.pth'])
def test_last_checkpoint__of_a_moved_work_dir(tmp_path, pointer):
    run = make_run(tmp_path / 'run', [1], pointer)
    assert last_checkpoint(run) == run / 'iter_1.pth'


def test_last_checkpoint__of_a_copied_work_dir_is_the_copy(tmp_path):
    first = make_run(tmp_path / 'first', [1])
    copy = make_run(tmp_path / 'copy', [1], first / 'iter_1.pth')
    assert last_checkpoint(copy) == copy / 'iter_1.pth'


def test_last_checkpoint__of_a_copy_without_the_newest(tmp_path):
    first = make_run(tmp_path / 'first', [1, 2])
    copy = make_run(tmp_path / 'copy', [1], first / 'iter_2.pth')
    assert last_checkpoint(copy) == copy / 'iter_1.pth'


def test_last_checkpoint__written_to_another_folder(tmp_path):
    """CheckpointHook's out_dir: the pointer stays in the work dir."""
    out_dir = make_run(tmp_path / 'out', [1])
    run = make_run(tmp_path / 'run', [], out_dir / 'iter_1.pth')
    assert last_checkpoint(run) == out_dir / 'iter_1.pth'


def test_last_checkpoint__written_to_another_folder_too(tmp_path):
    """With other weights beside it: what lies next to the pointer comes first."""
    other = make_run(tmp_path / 'other', [])
    run = make_run(tmp_path / 'run', [], other / 'mae.pth')
    for folder in (other, run):
        save(folder / 'mae.pth', 1)
    assert last_checkpoint(run) == run / 'mae.pth'


@pytest.mark.parametrize('pointer', [None, '', '/gone/iter_7.pth', '\0\ufffd'])
def test_last_checkpoint__by_iteration_without_a_pointer(tmp_path, pointer):
    """Iterations and epochs mixed, the time of a copy says nothing, best ones cannot go on."""
    run = make_run(tmp_path / 'run', [9, 100], pointer)
    newest = save(run / 'epoch_3.pth', iteration=120, epoch=3)
    save(run / 'best_acc_iter_130.pth', 130)
    torch.save({'meta': {'iter': 140}, 'state_dict': {}}, run / 'epoch_3-12345678.pth')
    torch.save({'model': {'weight': torch.ones(1)}}, run / 'weights.pth')
    os.utime(newest, (1, 1))
    assert last_checkpoint(run) == newest


@pytest.mark.parametrize('spoil', [flip, cut, empty])
def test_last_checkpoint__spoilt(tmp_path, spoil):
    """The newest whole one is taken, and one sentence names each of the others."""
    run = make_run(tmp_path / 'run', [1, 2, 3, 4], 'iter_4.pth')
    spoil(run / 'iter_4.pth')
    save(run / 'iter_3.pth', 3, weight=float('nan'))
    found = find_last_checkpoint(run)
    assert found.path == run / 'iter_2.pth'
    text = found.warning()
    assert '\n' not in text and text.endswith('iter_2.pth is the newest whole checkpoint instead')
    assert 'iter_4.pth is ' in text and 'iter_3.pth has numbers that are not finite, in w' in text
    for iteration in (1, 2):
        spoil(run / f'iter_{iteration}.pth')
    with pytest.raises(ValueError, match='contains no whole checkpoint: .*iter_1.pth') as error:
        find_last_checkpoint(run)
    assert all(f'iter_{n}.pth' in str(error.value) for n in (1, 2, 3, 4))


def test_last_checkpoint__weights_without_the_state_of_a_run(tmp_path):
    """Enough to read an encoder, not to go on; training must not write over them either."""
    torch.save({'state_dict': {'weight': torch.ones(1)}}, tmp_path / 'epoch_1.pth')
    assert last_checkpoint(tmp_path) == tmp_path / 'epoch_1.pth'
    with pytest.raises(
        ValueError, match='no whole checkpoint: .*epoch_1.pth has no state of a run'
    ):
        find_last_checkpoint(tmp_path)
    save(tmp_path / 'iter_1.pth', 1)
    assert find_last_checkpoint(tmp_path).path == last_checkpoint(tmp_path)
    assert last_checkpoint(tmp_path) == tmp_path / 'iter_1.pth'


def test_last_checkpoint__moments_that_are_not_finite(tmp_path):
    run = make_run(tmp_path / 'run', [1, 2], 'iter_3.pth')
    moments = {'state': {0: {'exp_avg': torch.tensor([1.0, float('inf')])}}}
    save(run / 'iter_3.pth', 3, optimizer=moments)
    assert last_checkpoint(run) == run / 'iter_2.pth'


def test_last_checkpoint__infinities_that_the_file_declares(tmp_path):
    """A mask of a model; in a file that does not say so, they may be one."""
    run = make_run(tmp_path / 'run', [1], 'iter_2.pth')
    meta = dict(iter=2, epoch=0, infinite_buffers=['weight'])
    save(run / 'iter_2.pth', 2, weight=-float('inf'), meta=meta)
    assert last_checkpoint(run) == run / 'iter_2.pth'
    save(run / 'iter_2.pth', 2, weight=-float('inf'))
    assert last_checkpoint(run) == run / 'iter_2.pth'
    save(run / 'iter_2.pth', 2, weight=-float('inf'), meta=meta | dict(infinite_buffers=[]))
    assert last_checkpoint(run) == run / 'iter_1.pth'


def test_last_checkpoint__that_would_run_code(tmp_path):
    """Not passed over: whoever saves objects of their own has to know why nothing is resumed."""
    run = make_run(tmp_path / 'run', [1])
    save(run / 'iter_2.pth', 2, extra=WritesAFile(tmp_path / 'written'))
    for pointer in ('iter_2.pth', ''):
        (run / POINTER).write_text(pointer)
        with pytest.raises(UntrustedError, match='iter_2.pth was refused.*--trust-checkpoint'):
            find_last_checkpoint(run)
    assert not (tmp_path / 'written').exists()


def test_last_checkpoint__without_a_checksum(tmp_path):
    """Programs may switch it off; their files are read as before."""
    torch.serialization.set_crc32_options(False)
    try:
        run = make_run(tmp_path / 'run', [1], 'iter_1.pth')
    finally:
        torch.serialization.set_crc32_options(True)
    assert last_checkpoint(run) == run / 'iter_1.pth'


def test_last_checkpoint__none(tmp_path):
    run = make_run(tmp_path / 'run', [])
    torch.save({'model': {'weight': torch.ones(1)}}, run / 'weights.pth')
    assert find_last_checkpoint(run) is None
    with pytest.raises(FileNotFoundError, match=f'work_dir=.*run.* contains no {POINTER}'):
        last_checkpoint(run)


@pytest.mark.parametrize('pointer', ['/gone/iter_1.pth', ''])
def test_last_checkpoint__the_checkpoint_is_gone(tmp_path, pointer):
    run = make_run(tmp_path / 'run', [], pointer)
    with pytest.raises(FileNotFoundError, match=re.escape(f'names {pointer!r}, but there is no')):
        last_checkpoint(run)
