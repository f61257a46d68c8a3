"""The check of the installed stack: one message, one source of the ranges, and fast."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mae_transfer.compat import versions
from mae_transfer.compat.versions import Package

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(monkeypatch) -> dict[str, str]:
    """Stand in for what is installed: a distribution that is not in the dict is missing."""
    table: dict[str, str] = {}
    monkeypatch.setattr(versions, 'installed_version', table.get)
    return table


@pytest.mark.parametrize(
    ('requirement', 'found', 'ok'),
    [
        ('timm>=1.0,<2', '1.0.31', True),
        ('timm>=1.0,<2', '2.0', False),
        ('timm>=1.0,<2', '0.9.16', False),
        ('timm>=1.0,<2', None, False),
        ('timm', '0.1', True),
        ('torch>=2.4', '2.14.1+cpu', True),
        ('torch>=2.4', '2.15.0.dev20260101', True),
        ('torch>=2.4', '2.3.1', False),
    ],
)
def test_inspect_packages__ranges(installed, requirement, found, ok):
    if found is not None:
        installed[Requirement(requirement).name] = found
    (package,) = versions.inspect_packages([requirement])
    assert (package.found, package.ok) == (found, ok)


def test_inspect_packages__leaves_out_what_does_not_apply_here(installed):
    lines = [
        "old; python_version < '3'",
        "extra-only; extra == 'tests'",
        "here; python_version > '3'",
    ]
    assert [package.name for package in versions.inspect_packages(lines)] == ['here']


def test_check_versions__passes_on_the_tested_stack():
    assert [package for package in versions.inspect_packages() if not package.ok] == []
    assert versions.find_shadows() == {}
    versions.check_versions()


def test_check_versions__takes_milliseconds():
    def seconds() -> float:
        start = time.process_time()
        versions.check_versions()
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 0.1


def test_check_versions__one_message_for_all_problems(installed, monkeypatch):
    installed |= {package.name: '999' for package in versions.inspect_packages()}
    del installed['timm']
    installed |= {'onedl-mmcv': '2.2.0', 'mmcv': '2.1.0'}
    monkeypatch.setattr(versions.platform, 'python_version', lambda: '3.13.0')
    with pytest.raises(ImportError) as caught:
        versions.check_versions()
    message = str(caught.value)
    assert 'timm: needs <2,>=1.0.9, found missing' in message
    assert 'onedl-mmcv: needs <2.4,>=2.3.6, found 2.2.0' in message
    assert 'mmcv: found 2.1.0, overwrites files of onedl-mmcv' in message
    assert f'Python: needs {versions.PYTHON_RANGE}, found 3.13.0' in message
    assert 'torch:' not in message  # has no upper bound
    commands = [line for line in message.splitlines() if ' pip ' in line]
    assert len(commands) == 1


def test_mending_command__uses_the_tested_pins():
    command = versions.mending_command([Package('timm', '<2', None, False)], {})
    assert command == (
        f'{sys.executable} -m pip install -c {ROOT}/requirements/constraints.txt '
        f'-r {ROOT}/requirements/runtime.txt'
    )


def test_mending_command__lays_shadowed_files_anew():
    command = versions.mending_command([], {'mmdet': 'onedl-mmdetection'})
    uninstall, install = command.split(' && ')
    assert uninstall.endswith('pip uninstall -y mmdet')
    assert '--force-reinstall --no-deps' in install and install.endswith('onedl-mmdetection')


@pytest.mark.parametrize(
    ('version', 'ok'),
    [('3.9.18', False), ('3.10.0', True), ('3.11.7', True), ('3.12.9', True), ('3.13.0', False)],
)
def test_is_python_supported__table(version, ok):
    assert versions.is_python_supported(version) is ok


def test_read_requirements__of_an_incomplete_copy_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(versions, 'REQUIREMENTS', tmp_path)
    with pytest.raises(ImportError, match=r'is incomplete: there is no .*runtime\.txt'):
        versions.read_requirements()


def test_tested_version__ignores_how_a_name_is_written():
    assert versions.tested_version('OneDL_mmcv') == '2.3.6'
    assert versions.tested_version('no-such-package') is None


@pytest.mark.parametrize('python', ['3.10', '3.11', '3.12'])
def test_constraints__pin_every_requirement_inside_its_range(python):
    environment = {'python_version': python, 'python_full_version': f'{python}.0'}
    pins: dict[str, str] = {}
    for line in versions.read_requirements_file(ROOT / 'requirements/constraints.txt'):
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(environment):
            name = canonicalize_name(pin.name)
            assert name not in pins, f'{name} has two pins for Python {python}'
            (specifier,) = pin.specifier
            assert specifier.operator == '=='
            pins[name] = specifier.version
    for file in ('runtime.txt', 'tests.txt', 'lint.txt'):
        for line in versions.read_requirements_file(ROOT / 'requirements' / file):
            requirement = Requirement(line)
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), line
    assert pins['opencv-python'] == pins['opencv-python-headless']


def test_python_range__is_the_one_of_makefile_and_ruff():
    makefile = (ROOT / 'Makefile').read_text()
    assert '(3, 10) <= sys.version_info[:2] < (3, 13)' in makefile
    assert 'target-version = "py310"' in (ROOT / 'pyproject.toml').read_text()
    assert versions.PYTHON_RANGE == '>=3.10,<3.13'


def test_import__on_a_bare_python_gives_the_message_and_not_a_traceback_of_torch():
    # -S: no site-packages, so nothing of the stack is there, not even packaging.
    run = subprocess.run(
        [sys.executable, '-S', '-c', 'import mae_transfer'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert 'mae_transfer cannot start' in run.stderr
    assert 'packaging: needs any version, found missing' in run.stderr
    assert 'pip install' in run.stderr
