"""What the tests of recipes share: their data, and checkpoints that are written fast."""

import ast
from collections.abc import Callable, Iterator
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
