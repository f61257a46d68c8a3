"""Installs mae_transfer: ``pip install -c requirements/constraints.txt -e .`` in the checkout.

The wheel holds the package; configs and tools are used from the checkout. Version, Python range and
requirements are read from the files where they stand, without importing the package.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_constant(path: str, name: str) -> str:
    """Read the text of a constant such as ``NAME = 'text'`` from a Python file."""
    match = re.search(rf"^{name} = '([^']+)'$", (ROOT / path).read_text('utf-8'), re.MULTILINE)
    if match is None:
        raise ValueError(f"{path} must have a line {name} = '...'")
    return match.group(1)


def read_requirements(path: str) -> list[str]:
    """Read the lines of a requirements file, without comments."""
    lines = (line.split('#')[0].strip() for line in (ROOT / path).read_text('utf-8').splitlines())
    return [line for line in lines if line]


def read_long_description() -> str:
    """Read the README if it is there: an archive of the package alone has none."""
    readme = ROOT / 'README.md'
    return readme.read_text('utf-8') if readme.is_file() else ''


setup(
    name='mae_transfer',
    version=read_constant('mae_transfer/version.py', '__version__'),
    description='Masked pre-training of vision transformers, carried to detection and segmentation',
    long_description=read_long_description(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mae_transfer', 'mae_transfer.*']),
    package_data={'mae_transfer': ['**/*.html', '**/*.j2', '**/*.css', '**/*.txt']},
    python_requires=read_constant('mae_transfer/compat/versions.py', 'PYTHON_RANGE'),
    install_requires=read_requirements('requirements/runtime.txt'),
    extras_require={'tests': read_requirements('requirements/tests.txt')},
)
