import pytest

from mae_transfer.checkpoints.files.last_checkpoint import POINTER, last_checkpoint


def make_run(folder, names, pointer=None):
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    if pointer is not None:
        (folder / POINTER).write_text(f'{pointer}\n')
    return folder


def test_last_checkpoint__the_one_that_the_pointer_names(tmp_path):
    run = make_run(tmp_path / 'run', ['iter_1.pth', 'iter_2.pth'], tmp_path / 'run' / 'iter_1.pth')
    assert last_checkpoint(str(run)) == run / 'iter_1.pth'


@pytest.mark.parametrize('pointer', ['/gone/iter_1.pth', 'gone/iter_1.pth', r'C:\gone\iter_1.pth'])
def test_last_checkpoint__of_a_moved_work_dir(tmp_path, pointer):
    run = make_run(tmp_path / 'run', ['iter_1.pth'], pointer)
    assert last_checkpoint(run) == run / 'iter_1.pth'


def test_last_checkpoint__of_a_copied_work_dir_is_the_copy(tmp_path):
    first = make_run(tmp_path / 'first', ['iter_1.pth'])
    copy = make_run(tmp_path / 'copy', ['iter_1.pth'], first / 'iter_1.pth')
    assert last_checkpoint(copy) == copy / 'iter_1.pth'


def test_last_checkpoint__written_to_another_folder(tmp_path):
    """CheckpointHook's out_dir: the pointer stays in the work dir."""
    out_dir = make_run(tmp_path / 'out', ['iter_1.pth'])
    run = make_run(tmp_path / 'run', [], out_dir / 'iter_1.pth')
    assert last_checkpoint(run) == out_dir / 'iter_1.pth'


def test_last_checkpoint__no_pointer(tmp_path):
    run = make_run(tmp_path / 'run', ['iter_1.pth'])
    with pytest.raises(FileNotFoundError, match=f'work_dir=.*run.* contains no {POINTER}'):
        last_checkpoint(run)


@pytest.mark.parametrize('pointer', ['/gone/iter_1.pth', ''])
def test_last_checkpoint__the_checkpoint_is_gone(tmp_path, pointer):
    run = make_run(tmp_path / 'run', ['iter_2.pth'], pointer)
    with pytest.raises(FileNotFoundError, match=f"names '{pointer}', but .* does not exist"):
        last_checkpoint(run)
