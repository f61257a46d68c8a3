"""The walls of the package, read from its imports: doors between rooms, no circles."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mae_transfer'

# What each room may import besides itself. Files of the package's own folder are rooms, too.
GROUND = {
    *('closest', 'compat', 'first_few', 'layers', 'masking', 'processes', 'random_states'),
    *('registry', 'version'),
}
DOORS = {
    **dict.fromkeys(GROUND, GROUND),
    **dict.fromkeys(('backbones', 'necks', 'heads', 'optim', 'data'), GROUND),
    'pretrain': GROUND | {'backbones'},
    'checkpoints': GROUND | {'backbones'},
    'loops': GROUND | {'data'},
    'kept_steps': GROUND,
    'hooks': GROUND
    | {'backbones', 'checkpoints', 'data', 'kept_steps', 'loops', 'necks', 'optim', 'pretrain'},
}
DOORS['__main__'] = set()  # calls mae_transfer_command, which is outside the package
DOORS['run'] = DOORS['hooks'] | {'hooks'}
DOORS['demo'] = DOORS['run'] | {'run'}
# The package's own __init__.py opens these rooms, which need MMEngine alone.
OPENED = {
    *('backbones', 'checkpoints', 'compat', 'data', 'hooks', 'loops', 'necks', 'optim', 'version'),
}

STEP_OF_A_JOURNEY = re.compile(r'(\w+,? )?((for )?both journeys|journey \d)', re.IGNORECASE)

# Removed from NumPy by release 2, or deprecated in it.
DROPPED_BY_NUMPY = {
    'bool8', 'cumproduct', 'float', 'float_', 'in1d', 'Inf', 'infty', 'int', 'int0', 'NaN', 'NINF',
    'object', 'PINF', 'product', 'row_stack', 'sometrue', 'str', 'string_', 'trapz', 'unicode_',
}  # fmt: skip


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob('*.py'))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def room_of(module: str) -> str:
    """Name the room of ``mae_transfer.room.file``; '' for the package itself."""
    return (module.split('.') + [''])[1]


def imported_modules(path: Path, tree: ast.AST | None = None) -> Iterator[str]:
    """Walk the modules of ours that a file imports, inside functions as well."""
    for node in ast.walk(tree or parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ''
            if node.level:
                inside = path.name == '__init__.py'
                parents = module_name(path).split('.')
                parents = parents[: len(parents) - node.level + inside]
                package = '.'.join([*parents, package]).rstrip('.')
            names = [f'{package}.{alias.name}' for alias in node.names]
        else:
            continue
        for name in names:
            if name.split('.')[0] == 'mae_transfer':
                yield name if (ROOT / name.replace('.', '/')).is_dir() else existing_module(name)


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Walk the modules that a file names in its imports, whoever wrote them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield '.' * node.level + (node.module or '')


def existing_module(name: str) -> str:
    """Cut the imported object off: ``mae_transfer.layers.block.Block`` -> its file's module."""
    return name if (ROOT / f'{name.replace(".", "/")}.py').is_file() else name.rpartition('.')[0]


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Find a path that ends where it began; [] when there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for successor in sorted(graph.get(node, ())):
            circle = walk(successor, [*path, node])
            if circle:
                return circle
        done.add(node)
        return []

    for start in sorted(graph):
        circle = walk(start, [])
        if circle:
            return circle
    return []


@cache
def room_graph() -> dict[str, set[str]]:
    """Which room imports which; '' is the package's own ``__init__.py``."""
    graph: dict[str, set[str]] = {}
    for path in python_files('mae_transfer'):
        room = room_of(module_name(path))
        targets = {room_of(name) for name in imported_modules(path)} - {room}
        graph.setdefault(room, set()).update(targets)
    return graph


def test_find_circle__sees_a_circle_and_only_a_circle():
    assert find_circle({'a': {'b', 'c'}, 'b': {'c'}, 'c': set()}) == []
    assert find_circle({'a': {'b'}, 'b': {'c'}, 'c': {'b'}}) == ['b', 'c', 'b']


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('import mae_transfer.layers.block', 'mae_transfer.layers.block'),
        ('from mae_transfer.layers.block import Block', 'mae_transfer.layers.block'),
        ('from mae_transfer.layers import block', 'mae_transfer.layers.block'),
        ('from ..layers.block import Block', 'mae_transfer.layers.block'),
        ('from .plain_vit import PlainViT', 'mae_transfer.backbones.plain_vit'),
        ('def f():\n    from mae_transfer.layers import block', 'mae_transfer.layers.block'),
    ],
)
def test_imported_modules__all_ways_of_importing(line, expected):
    path = PACKAGE / 'backbones/new_file.py'
    assert list(imported_modules(path, ast.parse(line))) == [expected]


def test_rooms__have_doors():
    rooms = {room_of(module_name(path)) for path in python_files('mae_transfer')} - {''}
    assert rooms == set(DOORS)


@pytest.mark.parametrize('room', sorted(DOORS))
def test_doors__a_room_imports_what_its_door_allows(room):
    """No room imports the package's own ``__init__.py`` either: that would be a circle."""
    assert room_graph()[room] <= DOORS[room]


def test_doors__the_package_opens_what_needs_mmengine_alone():
    assert room_graph()[''] == OPENED


def test_imports__no_circle_of_rooms():
    assert find_circle(room_graph()) == []


def test_imports__no_circle_of_files():
    graph = {
        module_name(path): set(imported_modules(path)) - {module_name(path)}
        for path in python_files('mae_transfer')
    }
    assert find_circle(graph) == []


def test_tests__mirror_the_rooms():
    mirrored = {path.name for path in (ROOT / 'tests').iterdir() if path.is_dir()}
    rooms = {room for room in DOORS if (PACKAGE / room).is_dir()}
    assert rooms <= mirrored
    others = {'configs', 'configs_suite', 'planted', 'references', 'support', 'tools'}
    assert mirrored - rooms <= others | {'__pycache__'}


def test_tools__import_nothing_of_each_other():
    """A tool is a command line; what two of them need lives in the package."""
    tools = {path.stem for path in python_files('tools')} | {'tools'}
    shared = [
        f'{path.name} imports {name}'
        for path in python_files('tools')
        for name in imported_names(parse(path))
        if name.split('.')[0] in tools
    ]
    assert shared == []


@pytest.mark.parametrize('path', python_files('tools'), ids=lambda path: path.name)
def test_tool__is_no_longer_than_a_command_line(path):
    """The doctor alone may be: it must run where the package cannot be imported."""
    lines = path.read_text(encoding='utf-8').count('\n')
    assert lines <= 130 or path.name == 'doctor.py'


def test_names__no_room_for_leftovers():
    names = {path.name for path in python_files('mae_transfer', 'tools', 'tests')}
    assert names.isdisjoint({'utils.py', 'misc.py', 'helpers.py', 'common.py'})


@pytest.mark.parametrize('folder', ['mae_transfer', 'tools', 'configs'])
def test_modules__open_with_a_docstring(folder):
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files(folder)
        if ast.get_docstring(parse(path)) is None
    ]
    assert silent == []


def test_modules__open_with_what_they_do():
    """Not with their step of a journey, as 'Journey 2, third step: ...' would."""
    steps = []
    for path in python_files('mae_transfer', 'tools', 'configs'):
        first = (ast.get_docstring(parse(path)) or '').split('\n')[0]
        if STEP_OF_A_JOURNEY.match(first):
            steps.append(f'{path.relative_to(ROOT)}: {first}')
    assert steps == []


def test_code__uses_no_name_that_numpy_dropped():
    old = []
    for path in python_files('mae_transfer', 'tools', 'configs', 'tests'):
        for node in ast.walk(parse(path)):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in ('np', 'numpy')
                and node.attr in DROPPED_BY_NUMPY
            ):
                old.append(f'{path.relative_to(ROOT)}:{node.lineno} {node.value.id}.{node.attr}')
    assert old == []


def test_code__swallows_no_exception():
    swallowed = []
    for path in python_files('mae_transfer', 'tools'):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or all(isinstance(step, ast.Pass) for step in node.body)
            ):
                swallowed.append(f'{path.relative_to(ROOT)}:{node.lineno}')
    assert swallowed == []
