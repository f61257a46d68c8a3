"""Every resolved leaf of every config against the tables of leaves/: nothing more, nothing less.

A changed base file and a changed base of a sibling package (``mmdet::_base_/...``) show here. Where
a recipe is changed on purpose, its table is changed with it, from the source that the config names.
"""

import ast
import copy
import functools
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner._flexible_runner import FlexibleRunner
from mmengine.utils import get_installed_path

from tests.configs_suite.leaves import STATED
from tests.configs_suite.leaves.top_level import ECHOES, HELPERS, READ, read_by_a_run
from tests.configs_suite.leaves.tree import change, combine, compare, leaves, place, same
from tests.configs_suite.reading import CONFIGS, EVERY, load
from tests.configs_suite.tables import detection, pretrain, segmentation

ROOT = CONFIGS.parent


@functools.cache
def found(path: str) -> dict:
    return read_by_a_run(load(path))


def test_tables__cover_every_config():
    assert sorted(STATED) == EVERY


@pytest.mark.parametrize('path', EVERY)
def test_config__is_stated_leaf_by_leaf(path):
    rows = compare(STATED[path], found(path))
    assert not rows, '\n'.join([f'{path}, {len(rows)} leaves:', *rows])


# ---- the names at the top


def names_read(source: str) -> Iterator[str]:
    """What code reads of a ``cfg`` or ``something.cfg``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute | ast.Subscript):
            name = getattr(node.value, 'id', getattr(node.value, 'attr', None))
            if name == 'cfg' and isinstance(node, ast.Attribute):
                yield node.attr
            elif name == 'cfg' and isinstance(node.slice, ast.Constant):
                yield node.slice.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if getattr(owner, 'id', getattr(owner, 'attr', None)) == 'cfg' and node.args:
                yield getattr(node.args[0], 'value', '')


def test_names_read__of_three_spellings():
    source = "a = cfg.one\nb = runner.cfg['two']\nc = self.cfg.get('three', 0)\ntrain_cfg.four"
    assert set(names_read(source)) == {'one', 'two', 'three', 'get'}


def test_top_level__knows_what_the_runners_read():
    for runner in (Runner, FlexibleRunner):
        source = textwrap.dedent(inspect.getsource(runner.from_cfg))
        assert set(names_read(source)) - {'get', 'train_cfg'} <= READ
        whole = set(names_read(inspect.getsource(inspect.getmodule(runner))))
        assert not whole & (HELPERS | set(ECHOES))


def test_top_level__names_helpers_that_our_code_does_not_read():
    files = [*(ROOT / 'mae_transfer').rglob('*.py'), *(ROOT / 'tools').rglob('*.py')]
    assert len(files) > 50
    for file in files:
        assert not set(names_read(file.read_text(encoding='utf-8'))) & HELPERS, file


def test_top_level__has_no_name_that_no_config_uses():
    used = {name for path in EVERY for name in load(path)}
    assert HELPERS | set(ECHOES) <= used


def test_top_level__rejects_a_name_that_nobody_has_classified():
    cfg = load(pretrain.MAE_800)
    cfg.custom_hook = []
    with pytest.raises(ValueError, match='custom_hook.* is read by nothing'):
        read_by_a_run(cfg)


def test_top_level__rejects_a_pipeline_with_two_meanings():
    cfg = load(pretrain.MAE_800)
    cfg.train_dataloader.dataset.pipeline[1].scale = 192
    with pytest.raises(ValueError, match='train_pipeline differs from'):
        read_by_a_run(cfg)


# ---- the comparison notices each change


def others(value: object) -> list:
    """Wrong values that are close to this one."""
    if isinstance(value, bool):
        return [not value, int(value)]
    if isinstance(value, int):
        return [value + 1, float(value), bool(value)]
    if isinstance(value, float):
        return [value * (1 + 1e-9) if value else 1e-9, int(value)]
    if isinstance(value, str):
        return [value + '_', None]
    if isinstance(value, list | tuple):
        near = [[*value, 0], list(value[:-1]), list(value[::-1])]
        return [other for other in near if other != list(value)]
    return [0, False, 'None', {'type': 'None'}]  # of None and {}


@pytest.mark.parametrize('path', [pretrain.MAE_800, detection.DETECT, segmentation.SEGMENT])
def test_compare__notices_each_leaf_that_is_changed_dropped_or_added(path):
    tree = copy.deepcopy(found(path))
    stated = STATED[path]
    assert not compare(stated, tree)
    for key, value in leaves(tree).items():
        node, name = place(tree, key)
        for other in others(value):
            node[name] = other
            rows = compare(stated, tree)
            assert rows and all(row.startswith(key) for row in rows), (key, other)
        del node[name]
        assert compare(stated, tree), key
        node[name] = value
        node[f'{name}_'] = value
        assert compare(stated, tree) == [f'{key}_: stated nowhere, found {value!r}']
        del node[f'{name}_']
    assert not compare(stated, tree)


def test_compare__notices_transforms_in_another_order():
    tree = copy.deepcopy(found(detection.DETECT))
    pipeline = tree['train_dataloader']['dataset']['pipeline']
    pipeline[2], pipeline[3] = pipeline[3], pipeline[2]
    rows = compare(STATED[detection.DETECT], tree)
    assert all(row.startswith('train_dataloader.dataset.pipeline.') for row in rows)
    assert any('.2.type: stated' in row for row in rows)


def test_compare__says_key_stated_and_found():
    rows = compare({'a': {'b': 1}, 'c': 2}, {'a': {'b': 3}, 'd': [4]})
    assert rows == [
        'a.b: stated 1, found 3',
        'c: stated 2, found nothing',
        'd: stated nowhere, found [4]',
    ]


def test_config__with_an_updated_sibling_is_noticed(tmp_path):
    """One number is changed in a copy of MMDetection's base."""
    theirs = '_base_/models/mask-rcnn_r50_fpn.py'
    ours = (CONFIGS / '_base_/models/mask-rcnn_vit-base-p16_simple-fpn.py').read_text()
    sibling = (Path(get_installed_path('mmdet')) / '.mim/configs' / theirs).read_text()
    (tmp_path / 'ours.py').write_text(ours.replace(f'mmdet::{theirs}', './sibling.py'))

    def rows(base: str) -> set[str]:
        (tmp_path / 'sibling.py').write_text(base)
        model = Config.fromfile(tmp_path / 'ours.py', import_custom_modules=False).model
        return set(compare(STATED[detection.DETECT]['model'], model.to_dict()))

    updated = rows(sibling.replace('num=512', 'num=256'))
    assert updated - rows(sibling) == {
        'train_cfg.rcnn.sampler.num: stated 512, found 256',
    }


# ---- the parts of the tables


def test_leaves__of_nested_lists_and_odd_keys():
    tree = {
        'steps': [{'type': 'A', 'size': (1, 2)}, [{'type': 'B'}]],
        'scales': [(480, 1333), (512, 1333)],
        'empty': {},
        'none': [],
        'map': {0: 1, 'a.b': 2},
    }
    assert leaves(tree) == {
        'steps.0.type': 'A',
        'steps.0.size': (1, 2),
        'steps.1.0.type': 'B',
        'scales': [(480, 1333), (512, 1333)],
        'empty': {},
        'none': [],
        'map.<0>': 1,
        "map.<'a.b'>": 2,
    }


@pytest.mark.parametrize(
    ('one', 'other', 'equal'),
    [
        ((1, 2), [1, 2], True),
        (1e-6 / 2e-3, 5e-4, True),
        ({'a': (1,)}, {'a': [1]}, True),
        (1, 1.0, False),
        (1, True, False),
        (0.0, None, False),
        (0.1, 0.1 + 1e-12, False),
        ('1', 1, False),
        ([1, 2], [1, 2, 3], False),
        ({'a': 1}, {'a': 1, 'b': 1}, False),
        ({}, [], False),
        ({}, None, False),
    ],
)
def test_same__is_strict_about_types_and_lengths(one, other, equal):
    assert same(one, other) == same(other, one) == equal


def test_combine__merges_parts_and_rejects_a_leaf_of_two():
    assert combine({'a': {'b': 1}}, {'a': {'c': 2}}) == {'a': {'b': 1, 'c': 2}}
    with pytest.raises(ValueError, match="'b' is stated by two"):
        combine({'a': {'b': 1}}, {'a': {'b': 1}})


def test_change__leaves_the_family_alone():
    family = {'a': {'b': 1}, 'hooks': [{'type': 'A'}]}
    changed = change(family, {'a.b': 2}, {'a.c': [3], 'hooks.1': {'type': 'B'}})
    assert changed == {'a': {'b': 2, 'c': [3]}, 'hooks': [{'type': 'A'}, {'type': 'B'}]}
    assert change(changed, {'a.d': 4}, without=['a.b', 'hooks.0']) == {
        'a': {'c': [3], 'd': 4},
        'hooks': [{'type': 'B'}],
    }
    assert family == {'a': {'b': 1}, 'hooks': [{'type': 'A'}]}


@pytest.mark.parametrize(
    ('difference', 'error'), [({'a.b': 1}, ValueError), ({'x.b': 1}, KeyError)]
)
def test_change__rejects_a_difference_that_is_none_or_has_no_place(difference, error):
    with pytest.raises(error):
        change({'a': {'b': 1}}, difference)


def test_change__rejects_what_is_not_there_to_be_dropped():
    with pytest.raises(KeyError):
        change({'a': {}}, without=['a.b'])


def test_tables__read_no_config():
    """The tables do not depend on the configs that they are compared with."""
    for file in (Path(__file__).parent / 'leaves').glob('*.py'):
        source = file.read_text(encoding='utf-8')
        assert 'fromfile' not in source and 'configs_suite.reading' not in source, file
