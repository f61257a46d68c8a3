"""Installs mae_transfer: ``pip install -c requirements/constraints.txt -e .`` in the checkout.

The wheel contains the package, the command ``mae-transfer``, and in ``mae_transfer/.mim`` the
configs, the tools, the tested versions and ``model-index.yml``. In a checkout ``.mim`` contains
links to them, so that a checkout, an editable install and a wheel are read in the same way.

Version, Python range and requirements are read from the files that define them, without importing
the package.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
REPOSITORY = 'https://github.com/mae-transfer/mae_transfer'


def read_constant(path: str, name: str) -> str:
    """Read the text of a constant such as ``NAME = 'text'`` from a Python file."""
    match = re.search(rf"^{name} = '([^']+)'$", (ROOT / path).read_text('utf-8'), re.MULTILINE)
    if match is None:
        raise ValueError(f"{path} must have a line {name} = '...'")
    return match.group(1)


def read_requirements(name: str) -> list[str]:
    """Read the lines of a file in requirements/, without comments."""
    text = (ROOT / 'requirements' / name).read_text('utf-8')
    lines = (line.split('#')[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def read_long_description() -> str:
    """Read the README, which an archive of the package alone does not contain."""
    readme = ROOT / 'README.md'
    return readme.read_text('utf-8') if readme.is_file() else ''


setup(
    name='mae_transfer',
    version=read_constant('mae_transfer/version.py', '__version__'),
    description='Masked pre-training of vision transformers and transfer to downstream tasks',
    long_description=read_long_description(),
    long_description_content_type='text/markdown',
    url=REPOSITORY,
    project_urls={'Changes': f'{REPOSITORY}/blob/main/CHANGELOG.md'},
    license='Apache-2.0',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Console',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    keywords='MAE, CAE, ViTDet, vision transformer, self-supervised learning, OpenMMLab',
    packages=find_packages(include=['mae_transfer', 'mae_transfer.*']),
    py_modules=['mae_transfer_command'],
    package_data={'mae_transfer': ['.mim/model-index.yml', '.mim/*/*', '.mim/configs/**/*']},
    exclude_package_data={'': ['*.pyc']},
    entry_points={'console_scripts': ['mae-transfer = mae_transfer_command:main']},
    python_requires=read_constant('mae_transfer/compat/versions.py', 'PYTHON_RANGE'),
    install_requires=read_requirements('runtime.txt'),
    extras_require={
        'tests': read_requirements('tests.txt'),
        'lint': read_requirements('lint.txt'),
    },
)
