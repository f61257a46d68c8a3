import os
import stat
import subprocess
import time

import mmengine
import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.runner import save_checkpoint

from mae_transfer.compat import atomic_write
from mae_transfer.compat.atomic_write import (
    AtomicLocalBackend,
    atomic_file,
    remove_leftovers,
    write_atomically,
)


class Killed(BaseException):
    """Stands for whatever ends a process that still cleans up."""


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_atomically__bytes_and_text(tmp_path):
    write_atomically(tmp_path / 'x', b'\x00\n')
    write_atomically(tmp_path / 'y', 'Zeichen: ä\n')
    assert (tmp_path / 'x').read_bytes() == b'\x00\n'
    assert (tmp_path / 'y').read_text(encoding='utf-8') == 'Zeichen: ä\n'
    assert names(tmp_path) == ['x', 'y']


def test_atomic_file__the_old_content_stands_until_the_new_is_whole(tmp_path):
    path = tmp_path / 'x'
    path.write_bytes(b'old')
    with atomic_file(path) as stream:
        stream.write(b'new')
        stream.flush()
        assert path.read_bytes() == b'old'
        unfinished, kept = names(tmp_path)
        parts = atomic_write.UNFINISHED.fullmatch(unfinished)
        assert (kept, parts['name'], parts['pid']) == ('x', 'x', str(os.getpid()))
        assert remove_leftovers(tmp_path) == []
    assert path.read_bytes() == b'new'
    assert names(tmp_path) == ['x']


def test_atomic_file__a_failure_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / 'x'
    path.write_bytes(b'old')
    with pytest.raises(Killed), atomic_file(path) as stream:
        stream.write(b'ne')
        raise Killed
    assert path.read_bytes() == b'old'
    assert names(tmp_path) == ['x']


def test_atomic_file__content_is_on_the_disk_before_its_name(tmp_path, monkeypatch):
    """The order that survives a power failure: sync the content, rename, sync the folder."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_sync(descriptor):
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append(('sync', 'folder' if folder else os.fstat(descriptor).st_size))
        fsync(descriptor)

    def note_replace(source, target):
        calls.append(('replace', os.path.basename(target)))
        replace(source, target)

    monkeypatch.setattr(atomic_write.os, 'fsync', note_sync)
    monkeypatch.setattr(atomic_write.os, 'replace', note_replace)
    write_atomically(tmp_path / 'x', b'12345')
    assert calls == [('sync', 5), ('replace', 'x'), ('sync', 'folder')]


def test_atomic_file__a_disk_that_is_full(tmp_path, monkeypatch):
    path = tmp_path / 'x'
    path.write_bytes(b'old')

    def full(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(atomic_write.os, 'fsync', full)
    with pytest.raises(OSError, match='No space left'):
        write_atomically(path, b'new')
    assert path.read_bytes() == b'old' and names(tmp_path) == ['x']


def test_atomic_file__follows_links_and_writes_to_pipes(tmp_path):
    (tmp_path / 'target').write_bytes(b'old')
    (tmp_path / 'link').symlink_to('target')
    write_atomically(tmp_path / 'link', b'new')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'target').read_bytes() == b'new'
    before = os.stat(os.devnull)
    write_atomically(os.devnull, b'new')
    assert os.stat(os.devnull).st_ino == before.st_ino


def test_atomic_file__permissions_are_those_of_the_user(tmp_path):
    (tmp_path / 'plain').touch()
    write_atomically(tmp_path / 'x', b'')
    assert (tmp_path / 'x').stat().st_mode == (tmp_path / 'plain').stat().st_mode


def unfinished(folder, writer=None, pid=0, age=0.0, name='a.pth'):
    """Leave a file as a process does that is killed."""
    path = folder / f'.{name}.{writer or atomic_write._writer()}.{pid}.01234567.tmp'
    path.touch()
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.fixture(scope='module')
def dead_pid():
    process = subprocess.Popen(['true'])
    process.wait()
    return process.pid


def test_remove_leftovers__only_unfinished_files(tmp_path, dead_pid):
    for name in ('a.pth', 'c.tmp', '.hidden'):
        (tmp_path / name).touch()
    other = unfinished(tmp_path, pid=dead_pid, name='b.json')
    one = unfinished(tmp_path, pid=dead_pid)
    assert remove_leftovers(tmp_path, '*.pth') == [one]
    assert names(tmp_path) == [other.name, '.hidden', 'a.pth', 'c.tmp']
    assert remove_leftovers(tmp_path / 'nowhere') == []


@pytest.mark.parametrize('hours, removed', [(1, False), (25, True)])
def test_remove_leftovers__of_a_writer_that_may_be_alive(tmp_path, dead_pid, hours, removed):
    """Of another host or container, of a running process, of a release that did not say."""
    age = 3600.0 * hours
    files = [
        unfinished(tmp_path, writer='other-host-7', pid=dead_pid, age=age),
        unfinished(tmp_path, pid=os.getppid(), age=age),
        unfinished(tmp_path, writer='x', pid=0, age=age).rename(tmp_path / '.b.pth.99.tmp'),
    ]
    assert remove_leftovers(tmp_path) == (sorted(files) if removed else [])


def test_remove_leftovers__of_a_former_process_with_our_number(tmp_path):
    """As in containers, where the run is process 7 each time."""
    path = unfinished(tmp_path, pid=os.getpid())
    assert remove_leftovers(tmp_path) == [path]


def test_install__all_local_writes_of_mmengine(tmp_path, monkeypatch):
    assert type(get_file_backend(str(tmp_path))) is AtomicLocalBackend
    replaced = []
    replace = os.replace
    monkeypatch.setattr(
        atomic_write.os, 'replace', lambda a, b: (replaced.append(b), replace(a, b))
    )
    save_checkpoint({'state_dict': {'x': torch.ones(2)}}, str(tmp_path / 'new' / 'x.pth'))
    mmengine.dump({'a': 1}, tmp_path / 'x.json')
    assert [path.name for path in replaced] == ['x.pth', 'x.json']
    assert torch.load(tmp_path / 'new' / 'x.pth')['state_dict']['x'].sum() == 2
    assert mmengine.load(tmp_path / 'x.json') == {'a': 1}
