"""A disk that is full, read-only or gone: one sentence, and the last whole checkpoint stays."""

import errno
import io
import logging
import os
import resource
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mae_transfer.run import train
from mae_transfer.run.disk import DiskError, WrittenFolder
from mae_transfer.run.errors import user_sentence
from tests.support.least_squares import config

BREAK: list[Callable[[Path], None]] = []


@HOOKS.register_module()
class BreakDisk(Hook):
    """Break something after the fourth step."""

    priority = 'VERY_HIGH'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == 4:
            BREAK[0](Path(runner.work_dir))


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    cfg = config(4, 1, dict(type='AccumulatingIterTrainLoop', max_iters=6), tmp_path / 'run')
    cfg.default_hooks.checkpoint = dict(type='AtomicCheckpointHook', by_epoch=False, interval=3)
    cfg.log_processor = dict(by_epoch=False)
    cfg.custom_hooks = [dict(type='BreakDisk')]
    return cfg


def broken(cfg: Config, how: Callable[[Path], None]) -> str:
    """Train until the disk breaks; return the sentence for the user."""
    BREAK[:] = [how]
    with pytest.raises(DiskError) as caught:
        train(cfg)
    sentence = user_sentence(caught.value)
    assert sentence is not None and '\n' not in sentence
    return sentence


@contextmanager
def limited_files() -> Iterator[Callable[[int], None]]:
    """Limit the size of files, as a quota does; yields what sets the limit, in bytes."""
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)


@pytest.mark.parametrize('backend', ['LocalVisBackend', 'TensorboardVisBackend'])
@pytest.mark.parametrize('size', [100, 6000])
def test_disk__no_room_for_logs_or_checkpoints(cfg, tmp_path, capfd, backend, size):
    """The limit meets the log of the next step, or the next checkpoint."""
    cfg.visualizer = dict(type='Visualizer', vis_backends=[dict(type=backend)])
    if size > 1000:
        cfg.default_hooks.logger = None
    with limited_files() as limit:
        sentence = broken(cfg, lambda work_dir: limit(size))
    assert sentence.startswith('cannot write ') and str(tmp_path / 'run') in sentence
    assert 'File too large; the last whole checkpoint is ' in sentence
    assert f'{tmp_path / "run" / "iter_3.pth"}: --resume goes on' in sentence
    assert 'Traceback' not in ''.join(capfd.readouterr())
    names = {path.name for path in (tmp_path / 'run').glob('*') if 'iter' in path.name}
    assert names == {'iter_3.pth'}
    cfg.custom_hooks = []
    train(cfg, resume=True)
    assert (tmp_path / 'run' / 'iter_6.pth').exists()


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_disk__each_reason_is_named(cfg, tmp_path, monkeypatch, number):
    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    sentence = broken(cfg, lambda work_dir: monkeypatch.setattr(os, 'fsync', fsync))
    verb = 'use' if number == errno.EIO else 'write'
    assert sentence.startswith(f'cannot {verb} {tmp_path}/run/iter_6.pth: {os.strerror(number)}; ')
    assert not list((tmp_path / 'run').glob('.*'))


def test_disk__the_work_dir_was_removed(cfg, tmp_path):
    cfg.default_hooks.logger.interval = 1
    sentence = broken(cfg, shutil.rmtree)
    assert 'No such file or directory; ' in sentence and 'has no checkpoint to go on' in sentence


def test_disk__other_errors_stay_what_they_are(tmp_path):
    for error in (
        FileNotFoundError(errno.ENOENT, 'No such file', '/data/picture.jpg'),
        ValueError('a mistake'),
        KeyboardInterrupt(),
    ):
        with pytest.raises(type(error)) as caught, WrittenFolder() as written:
            written.folder = tmp_path
            raise error
        assert caught.value is error
    with pytest.raises(OSError, match='No space'), WrittenFolder():  # not yet writing
        raise OSError(errno.ENOSPC, 'No space')
    assert 'handleError' not in vars(logging.FileHandler)


def test_disk__errors_of_threads(tmp_path, capsys):
    """One of the disk is that of the run; another is printed as ever."""

    def fail(error: Exception) -> None:
        def target() -> None:
            raise error

        thread = threading.Thread(target=target)
        thread.start()
        thread.join()

    former, threading.excepthook = threading.excepthook, threading.__excepthook__
    try:
        with pytest.raises(DiskError, match=r'cannot write a file in .*: No space; '):
            with WrittenFolder() as written:
                written.folder = tmp_path
                fail(OSError(errno.ENOSPC, 'No space'))
                assert capsys.readouterr().err == ''
                fail(ZeroDivisionError('a mistake'))
                assert 'a mistake' in capsys.readouterr().err
        assert threading.excepthook is threading.__excepthook__
    finally:
        threading.excepthook = former


def test_disk__names_the_log_that_is_full(tmp_path):
    logger = logging.Logger('full')
    logger.addHandler(logging.FileHandler('/dev/full'))
    with pytest.raises(DiskError, match=r'cannot write /dev/full: No space left on device; '):
        with WrittenFolder() as written:
            written.folder = tmp_path
            logger.error('a line')
    with suppress(OSError):  # what is left of the line
        logger.handlers[0].close()


def test_disk__a_log_with_another_mistake_is_printed_as_ever(tmp_path, monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr('sys.stderr', stderr)
    with WrittenFolder() as written:
        written.folder = tmp_path
        logger = logging.Logger('mistaken')
        logger.addHandler(logging.FileHandler(tmp_path / 'log'))
        logger.error('%d', 'no number')
    logger.handlers[0].close()
    assert 'Logging error' in stderr.getvalue()


def test_disk__tools_name_the_file():
    assert user_sentence(OSError(errno.ENOSPC, 'No space left', 'out.json')) == (
        'out.json: No space left'
    )
    assert user_sentence(PermissionError(errno.EACCES, 'Permission denied', 'x')) is not None
    with pytest.raises(OSError) as caught:
        raise OSError('something else')
    assert user_sentence(caught.value) is None
