"""Configs as runs read them: from a file, a work dir or another config; their work dirs."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mae_transfer.run.config import default_work_dir, is_work_dir, load_config
from mae_transfer.run.test import _test_dir


@pytest.fixture
def work_dir(tmp_path) -> Path:
    """What a resumed training leaves: its config and a pointer to its checkpoint."""
    (tmp_path / 'last_checkpoint').write_text('iter_3.pth')
    (tmp_path / 'recipe.py').write_text("resume = True\nload_from = 'iter_1.pth'\nlr = 1")
    return tmp_path


def test_load_config__of_a_work_dir_starts_afresh(work_dir):
    assert is_work_dir(work_dir)
    cfg = load_config(work_dir)
    assert (cfg.lr, cfg.resume, cfg.load_from) == (1, False, None)


def test_load_config__of_a_work_dir_without_one_config(work_dir):
    (work_dir / 'other.py').touch()
    with pytest.raises(ValueError, match='several configs; give one of them: .*other.py, .*recipe'):
        load_config(work_dir)
    (work_dir / 'other.py').unlink()
    (work_dir / 'recipe.py').unlink()
    with pytest.raises(FileNotFoundError, match='contains no config'):
        load_config(work_dir)


def test_load_config__of_a_config_is_a_copy():
    cfg = Config(dict(model=dict(depth=1)))
    assert not is_work_dir(cfg)
    load_config(cfg).model.depth = 2
    assert cfg.model.depth == 1


def test_default_work_dir__is_the_configs_or_has_its_name():
    assert default_work_dir(Config(dict(work_dir='own')), 'recipe') == 'own'
    assert default_work_dir(Config(dict(work_dir=None)), 'recipe') == 'work_dirs/recipe'
    with pytest.raises(ValueError, match='work_dir=None: must name a folder'):
        default_work_dir(Config(), None)


def test_test_dir__is_inside_the_trainings(work_dir):
    cfg = Config(dict(work_dir='own'))
    assert _test_dir(cfg, work_dir) == work_dir / 'test'
    assert _test_dir(cfg, 'recipe.py') == _test_dir(cfg, cfg) == Path('own/test')
