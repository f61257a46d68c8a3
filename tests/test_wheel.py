"""The wheel, built from a copy, installed elsewhere, used without the checkout."""

import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    'LICENSE', 'MANIFEST.in', 'README.md', 'configs', 'mae_transfer', 'mae_transfer_command.py',
    'model-index.yml', 'pyproject.toml', 'requirements', 'setup.py', 'tools',
)  # fmt: skip
MAE = 'demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py'
CONFIG = f"""
_base_ = 'mae_transfer::{MAE}'
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data_root='pictures'),
)
train_cfg = dict(max_iters=2)
custom_hooks = [dict(type='EncoderMetadataHook')]
"""
# Python runs it at its start: opening a file of the checkout is an error, so that nothing can come
# from there. The environment may be in the checkout.
WATCH = f"""
import os, sys
CHECKOUT, ENVIRONMENT = {str(ROOT) + os.sep!r}, sys.prefix + os.sep
def watch(event, arguments):
    if event == 'open' and isinstance(arguments[0], str):
        path = os.path.realpath(arguments[0])
        if path.startswith(CHECKOUT) and not path.startswith(ENVIRONMENT):
            raise PermissionError(f'{{path}} is a file of the checkout')
sys.addaudithook(watch)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """Build the wheel, from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns('__pycache__')
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source)
    pip('wheel', '--no-deps', '--no-build-isolation', '--wheel-dir', folder, source)
    (path,) = folder.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory) -> Path:
    """Install the wheel into a folder; what it needs comes from the tests' environment."""
    folder = tmp_path_factory.mktemp('installed')
    pip('install', '--no-deps', '--no-compile', '--target', folder, wheel)
    (folder / 'sitecustomize.py').write_text(WATCH)
    return folder


@pytest.fixture
def run(installed, tmp_path):
    """Run the installed command in an empty folder; returns what it prints."""

    def command(*arguments: object) -> str:
        environment = os.environ | {'PYTHONPATH': str(installed), 'OMP_NUM_THREADS': '1'}
        return call(installed / 'bin' / 'mae-transfer', *arguments, cwd=tmp_path, env=environment)

    return command


def pip(*arguments: object) -> None:
    call(sys.executable, '-m', 'pip', '--disable-pip-version-check', *arguments)


def call(*command: object, **options) -> str:
    done = subprocess.run(
        list(map(str, command)), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=600, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def test_wheel__holds_all_configs_tools_and_the_index(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    files = [ROOT / 'model-index.yml']
    for folder in ('configs', 'tools', 'requirements'):
        files += [path for path in (ROOT / folder).rglob('*.*') if path.suffix != '.pyc']
    expected = {f'mae_transfer/.mim/{path.relative_to(ROOT).as_posix()}' for path in files}
    assert expected <= held
    assert not any('__pycache__' in name for name in held)
    assert {name.split('/')[0] for name in held} - {'mae_transfer', 'mae_transfer_command.py'} == {
        f'{wheel.name.rpartition("-py3")[0]}.dist-info'
    }


def test_watch__forbids_files_of_the_checkout(installed):
    done = subprocess.run(
        [sys.executable, '-c', f'open({str(ROOT / "setup.py")!r})'],
        env=os.environ | {'PYTHONPATH': str(installed)}, capture_output=True, text=True,
    )  # fmt: skip
    assert 'is a file of the checkout' in done.stderr


def test_wheel__trains_and_inspects_without_the_checkout(run, installed, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / 'pictures').mkdir()
    for i in range(4):
        pixels = rng.integers(0, 256, (64, 72, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / 'pictures' / f'{i}.png')
    (tmp_path / 'mine.py').write_text(CONFIG)

    log = run('train', 'mine.py')
    assert 'Iter(train) [2/2]' in log
    assert (tmp_path / 'work_dirs' / 'mine' / 'iter_2.pth').is_file()
    assert str(ROOT / 'configs') not in log

    shipped = installed / 'mae_transfer' / '.mim' / 'configs' / 'demo'
    table = run('inspect', 'work_dirs/mine', '--configs', shipped)
    assert '6 blocks, width 128' in table
    assert 'upernet_vit-demo-p8_mae-pre_1xb8-600i_scenes-64x64.py' in table


def test_wheel__finds_its_configs_from_anywhere(installed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    places = runpy.run_path(str(installed / 'mae_transfer' / 'run' / 'places.py'))
    shipped = installed / 'mae_transfer' / '.mim' / 'configs'
    assert not places['IN_CHECKOUT']
    for name in (f'configs/{MAE}', f'mae_transfer::{MAE}'):
        assert places['find_file'](name, 'CONFIG') == str(shipped / MAE)
