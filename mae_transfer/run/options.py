"""Checks `--cfg-options` and refuses those that would have no effect."""

import inspect

from mmengine.config import Config
from mmengine.runner import Runner

from mae_transfer.closest import closest
from mae_transfer.run.framework import find_class

# Keys of a config that are read in addition to the arguments of mmengine's Runner. Any other
# top-level key is a variable of the file, whose value was copied before options are merged.
MORE_READ_KEYS = {
    *('compile', 'data', 'find_unused_parameters', 'model_wrapper_cfg', 'sync_bn'),
    *('runner_type', 'strategy'),
}

_ABSENT = object()


def check_option(cfg: Config, key: str, value: object) -> None:
    """Refuse an option that would have no effect, or whose value has the wrong type.

    A key is valid if the config has it, or if the class that its parent names takes an argument of
    that name. The data block checks its own keys.

    Raises:
        ValueError: The key is unknown or never read, or the value has another type.
    """
    top, *rest = key.split('.')
    if top == 'data':
        return
    if top not in _read_keys():
        if top in cfg:
            raise ValueError(
                f'--cfg-options {key}: {top} is a variable inside the config file; changing it now '
                'has no effect. Set the keys that it was copied to (data.root=FOLDER for data '
                'folders)'
            )
        raise ValueError(f'--cfg-options {key}: no such key; {closest(key, _all_keys(cfg))}')
    node: object = cfg
    for name in [top, *rest]:
        child = _child(node, name)
        if child is _ABSENT:
            if node is cfg or _accepts(cfg.get('default_scope'), node, name):
                return
            raise ValueError(f'--cfg-options {key}: no such key; {closest(key, _all_keys(cfg))}')
        node = child
    _check_type(key, node, value)


def _read_keys() -> set[str]:
    """List the top-level keys that have an effect after the config file was read."""
    return MORE_READ_KEYS | set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}


def _child(node: object, name: str) -> object:
    if isinstance(node, dict | Config) and name in node:
        return node[name]
    if isinstance(node, list | tuple) and name.isdigit() and int(name) < len(node):
        return node[int(name)]
    return _ABSENT


def _accepts(scope: str | None, node: object, argument: str) -> bool:
    """Return whether the class that a config dict names, or a base class, takes this argument."""
    kind = node.get('type') if isinstance(node, dict) else None
    cls = find_class(scope, kind) if isinstance(kind, str) else kind
    for base in inspect.getmro(cls) if inspect.isclass(cls) else ():
        if '__init__' not in vars(base):
            continue
        parameters = inspect.signature(vars(base)['__init__']).parameters
        if argument in parameters and argument != 'self':
            return True
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return False
    return False


def _check_type(key: str, old: object, new: object) -> None:
    """Refuse a change of type; None, and a single value in place of several, are allowed."""

    def kind(value: object) -> str:
        for types, name in (
            (bool, 'True or False'),
            (int | float, 'a number'),
            (str, 'text'),
            (dict, 'a block of keys'),
        ):
            if isinstance(value, types):
                return name
        return 'a list'

    if (
        old is None
        or new is None
        or 'a list' in (kind(old), kind(new))
        and kind(old) != 'a block of keys'
    ):
        return
    if kind(old) != kind(new):
        raise ValueError(f'--cfg-options {key}={new}: must be {kind(old)} (it is {_short(old)})')


def _short(value: object) -> str:
    if isinstance(value, dict):
        return 'a block with ' + ', '.join(list(value)[:6])
    return repr(value)


def _all_keys(cfg: Config) -> list[str]:
    """List every dotted key of a config below the keys that are read."""
    keys: list[str] = []

    def visit(prefix: str, node: object) -> None:
        items = (
            node.items()
            if isinstance(node, dict)
            else enumerate(node)
            if isinstance(node, list)
            else ()
        )
        for name, child in items:
            keys.append(f'{prefix}{name}')
            visit(f'{prefix}{name}.', child)

    visit('', {key: value for key, value in cfg.items() if key in _read_keys()})
    return keys
