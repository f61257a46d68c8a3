"""What all tests share: the option --runslow, the order of files, fixtures, one seed per test."""

import ast
import gc
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from mmengine.registry import DefaultScope

import mae_transfer  # noqa: F401  before anything imports mmcv, whose missing operators it provides
from tests.support.data_sets import coco_folder, coco_options, mask_folder, mask_options
from tests.support.tools import run_main

__all__ = ['coco_folder', 'coco_options', 'mask_folder', 'mask_options', 'run_main']

os.environ.setdefault('MPLBACKEND', 'Agg')  # before anything imports matplotlib
# Before anything imports torch: tiny tensors gain nothing from threads, and pytest-xdist gives each
# core a process of its own.
os.environ.setdefault('OMP_NUM_THREADS', '1')


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption('--runslow', action='store_true', help='also run the tests marked slow')


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave slow tests out unless they are asked for; skip GPU tests where there is no GPU.

    Processes of pytest-xdist take whole files in this order, so the files with the most slow tests
    come first: quick ones fill what is left at the end.
    """
    if not config.getoption('--runslow'):
        slow = [item for item in items if item.get_closest_marker('slow')]
        items[:] = [item for item in items if not item.get_closest_marker('slow')]
        config.hook.pytest_deselected(items=slow)
    if hasattr(config, 'workerinput'):
        slow_tests = Counter(item.path for item in items if item.get_closest_marker('slow'))
        items.sort(key=lambda item: -slow_tests[item.path])
    gpu = [item for item in items if item.get_closest_marker('gpu')]
    if gpu:
        import torch

        if not torch.cuda.is_available():
            for item in gpu:
                item.add_marker(pytest.mark.skip(reason='no CUDA device'))


def pytest_collection_finish() -> None:
    """Spare the garbage collector the imported frameworks: MMEngine calls it for each data set."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope='module')
def default_scope_of_module() -> Iterator[None]:
    """Start each file without MMEngine's default scope: a global that runners and tools set."""
    with restored_default_scope():
        DefaultScope._instance_dict.clear()
        yield


@pytest.fixture(autouse=True)
def default_scope_of_test() -> Iterator[None]:
    """Leave the default scope as the test found it."""
    with restored_default_scope():
        yield


@contextmanager
def restored_default_scope() -> Iterator[None]:
    """Put the default scopes back at the end."""
    before = DefaultScope._instance_dict.copy()
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(before)


@pytest.fixture(autouse=True, scope='module')
def unformatted_config_texts() -> Iterator[None]:
    """Leave the text of a config, which each checkpoint holds, as MMEngine writes it.

    It is valid Python already; yapf, which makes it pretty, takes seconds for each checkpoint.
    """

    def parse(text: str, **style: object) -> tuple[str, bool]:
        ast.parse(text)
        return text, False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', parse)
        yield


@pytest.fixture(autouse=True)
def seed() -> None:
    """Start every test from the same random state, whatever ran before it."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
