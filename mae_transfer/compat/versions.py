"""Checks at import that the installed packages are in the supported ranges.

The ranges are in one file, ``requirements/runtime.txt``, which is also in the wheel. Nothing heavy
is imported: versions come from the metadata of the installed distributions, so the check takes
milliseconds and runs before a sibling framework can fail with a message of its own.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# A link to requirements/ in a checkout, a copy in a wheel.
REQUIREMENTS = (Path(__file__).resolve().parents[1] / '.mim' / 'requirements').resolve()

# setup.py reads this line, too. mmengine and torch determine the range.
PYTHON_RANGE = '>=3.10,<3.13'

# The upstream distributions install into the same import packages as the maintained ones.
REPLACED_BY = {
    'mmengine': 'onedl-mmengine',
    'mmengine-lite': 'onedl-mmengine',
    'mmcv': 'onedl-mmcv',
    'mmcv-lite': 'onedl-mmcv',
    'mmcv-full': 'onedl-mmcv',
    'mmdet': 'onedl-mmdetection',
    'mmsegmentation': 'onedl-mmsegmentation',
    'mmpretrain': 'onedl-mmpretrain',
}


@dataclass(frozen=True)
class Package:
    """A required distribution and its installed version."""

    name: str
    required: str
    """The range, as in ``'<2,>=1.0'``; may be empty."""
    found: str | None
    """The installed version; None if it is missing."""
    ok: bool


def check_versions() -> None:
    """Raise one error with all problems of the installed stack, if there are any.

    Raises:
        ImportError: Python or packages are missing or out of range, or an upstream distribution of
            OpenMMLab shadows the maintained one. The message lists all of them and ends with the
            command that fixes them.
    """
    packages = [package for package in inspect_packages() if not package.ok]
    shadows = find_shadows()
    python_ok = is_python_supported(platform.python_version())
    if python_ok and not packages and not shadows:
        return
    raise ImportError(describe_problems(packages, shadows, python_ok))


def inspect_packages(requirements: Iterable[str] | None = None) -> list[Package]:
    """Compare the installed distributions with the requirements.

    Args:
        requirements: Lines such as ``'timm>=1.0,<2'``. None means those of mae_transfer.

    Returns:
        One record per requirement that applies to this Python and platform, in the given order.

    Raises:
        ImportError: The package ``packaging`` is missing.
    """
    Requirement = _import_packaging()
    packages = []
    for line in read_requirements() if requirements is None else requirements:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({'extra': ''}):
            continue
        found = installed_version(requirement.name)
        # Nightly builds count as their release: prereleases=True.
        ok = found is not None and requirement.specifier.contains(found, prereleases=True)
        packages.append(Package(requirement.name, str(requirement.specifier), found, ok))
    return packages


def installed_version(name: str) -> str | None:
    """Look up the version of a distribution; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def find_shadows() -> dict[str, str]:
    """Find upstream distributions of OpenMMLab that overwrite files of the maintained ones.

    Returns:
        Installed upstream distribution -> the distribution whose files it overwrites.
    """
    return {old: new for old, new in REPLACED_BY.items() if installed_version(old) is not None}


def is_python_supported(version: str) -> bool:
    """Return whether a Python version, such as ``'3.11.7'``, is in :data:`PYTHON_RANGE`."""
    Requirement = _import_packaging()
    return Requirement(f'python{PYTHON_RANGE}').specifier.contains(version, prereleases=True)


def read_requirements() -> list[str]:
    """Read the requirements of mae_transfer.

    Returns:
        The lines of ``requirements/runtime.txt`` without comments.

    Raises:
        ImportError: The file is missing.
    """
    path = REQUIREMENTS / 'runtime.txt'
    if not path.is_file():
        raise ImportError(
            f'mae_transfer at {Path(__file__).parents[1]} is incomplete: there is no {path}, which '
            'lists its requirements; reinstall it, or run `pip install -e .` in a checkout'
        )
    return read_requirements_file(path)


def read_requirements_file(path: Path) -> list[str]:
    """Read the requirement lines of a file, without comments and empty lines."""
    lines = (line.split('#')[0].strip() for line in path.read_text(encoding='utf-8').splitlines())
    return [line for line in lines if line]


def describe_problems(
    packages: Iterable[Package], shadows: dict[str, str], python_ok: bool = True
) -> str:
    """Compose the message of :func:`check_versions`.

    Args:
        packages: Those that are missing or out of range.
        shadows: As :func:`find_shadows` returns.
        python_ok: Whether this Python is in range.

    Returns:
        One line per problem and, at the end, the pip command that fixes what can be fixed.
    """
    packages = list(packages)
    lines = ['mae_transfer cannot start, because the installed packages do not fit:']
    for package in packages:
        found = package.found or 'missing'
        lines.append(f'  {package.name}: needs {package.required or "any version"}, found {found}')
    for old, new in shadows.items():
        lines.append(f'  {old}: found {installed_version(old)}, overwrites files of {new}')
    if not python_ok:
        lines.append(
            f'  Python: needs {PYTHON_RANGE}, found {platform.python_version()}; '
            'create an environment with another Python first'
        )
    if packages or shadows:
        lines += ['To fix it, run:', f'  {fixing_command(packages, shadows)}']
    return '\n'.join(lines)


def fixing_command(packages: Iterable[Package], shadows: dict[str, str]) -> str:
    """Build one shell line that uninstalls shadows and installs wrong or missing packages."""
    pip = [sys.executable, '-m', 'pip']
    pins = ['-c', str(REQUIREMENTS / 'constraints.txt')]
    steps = []
    if shadows:
        # Uninstalling removes the shared files, so the maintained distribution is reinstalled.
        steps.append([*pip, 'uninstall', '-y', *shadows])
        new = sorted(set(shadows.values()))
        steps.append([*pip, 'install', '--force-reinstall', '--no-deps', *pins, *new])
    if list(packages):
        steps.append([*pip, 'install', *pins, '-r', str(REQUIREMENTS / 'runtime.txt')])
    return ' && '.join(shlex.join(step) for step in steps)


def tested_version(name: str) -> str | None:
    """Look up the tested version of a package for this Python.

    Args:
        name: Name of the distribution; case, ``-`` and ``_`` do not matter.

    Returns:
        The version in ``requirements/constraints.txt``; None if it is not pinned.
    """
    Requirement = _import_packaging()
    for line in read_requirements_file(REQUIREMENTS / 'constraints.txt'):
        pin = Requirement(line)
        applies = pin.marker is None or pin.marker.evaluate()
        if applies and _normalize(pin.name) == _normalize(name):
            return next(iter(pin.specifier)).version
    return None


def _normalize(name: str) -> str:
    """Write a distribution name as package indexes compare names."""
    return re.sub(r'[-_.]+', '-', name).lower()


def _import_packaging() -> type:
    """Import the parser of requirements, which may be missing like any other package."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        packages = [Package('packaging', '', None, ok=False)]
        raise ImportError(describe_problems(packages, find_shadows())) from None
    return Requirement
