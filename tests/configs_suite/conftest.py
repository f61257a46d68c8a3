"""What the tests of recipes share: their data."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.configs_suite.tiny_data import MAKERS


@pytest.fixture(scope='session')
def data_of(tmp_path_factory) -> Callable[[Config], Path]:
    """Two pictures in the layout that a config asks for, made once for all configs."""
    made: dict[str, Path] = {}

    def folder(cfg: Config) -> Path:
        root = cfg.train_dataloader.dataset.data_root
        if root not in made:
            made[root] = tmp_path_factory.mktemp('data')
            MAKERS[root](made[root])
        return made[root]

    return folder
