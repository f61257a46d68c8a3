"""A framework comes with our parts that need it, whatever a config imports itself."""

import subprocess
import sys

import pytest

from mae_transfer.run.framework import PARTS
from tests.configs_suite.reading import EVERY, load

FIND = (
    'from mae_transfer.run.framework import import_framework; import_framework({scope!r}); '
    'from {scope}.registry import {registry}; print({registry}.get({name!r}))'
)


@pytest.mark.parametrize('path', EVERY)
def test_parts__contain_what_the_recipes_import(path):
    cfg = load(path)
    always = ('mae_transfer', 'mae_transfer.pretrain')
    assert {*cfg.custom_imports.imports} <= {*always, *PARTS.get(cfg.default_scope, ())}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('scope', 'registry', 'name'),
    [
        ('mmdet', 'TASK_UTILS', 'BestAnchorAssigner'),
        ('mmdet', 'TRANSFORMS', 'LoadPolygonAnnotations'),
        ('mmdet', 'TRANSFORMS', 'RandomDiagonalCrop'),
        ('mmpretrain', 'BATCH_AUGMENTS', 'FlippedCutMix'),
    ],
)
def test_import_framework__registers_parts_that_no_config_has_imported(scope, registry, name):
    code = FIND.format(scope=scope, registry=registry, name=name)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert f".{name}'" in done.stdout
