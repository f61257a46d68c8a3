"""What train.py, test.py and print_config.py share, in the order in which a run needs it.

Config file -> checked `--cfg-options` -> data block -> framework -> data checks -> processes.
"""

import argparse
import difflib
import importlib
import importlib.util
import inspect
import linecache
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
if importlib.util.find_spec('mae_transfer') is None:  # a checkout that was not installed
    sys.path.insert(0, str(REPO))

from mmengine.config import Config, DictAction  # noqa: E402

FRAMEWORKS = ('mmdet', 'mmseg', 'mmpretrain')

# Keys of a config that are read besides the arguments of mmengine's Runner. Any other top-level key
# is a variable of the file: when options are merged, its value was copied to where it counts.
MORE_READ_KEYS = {
    *('compile', 'data', 'find_unused_parameters', 'model_wrapper_cfg', 'sync_bn'),
    *('runner_type', 'strategy'),
}


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG, `--cfg-options` and `--debug`."""
    parser.add_argument(
        'config', help='config file; relative to the current folder or to the checkout'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change keys of the config: optim_wrapper.optimizer.lr=1e-4 data.root=/data/cells',
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of every error')


def add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--work-dir` and `--launcher`."""
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and results')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none')
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='read checkpoints even if that runs code they contain; only for files whose author '
        'you trust as you trust a program',
    )
    # Older launchers pass it; the environment variable says the same.
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)


def trust_checkpoints() -> None:
    """Do what `--trust-checkpoint` says, for every file that this process reads."""
    from mae_transfer.transfer.file_content import TRUST_VARIABLE

    os.environ[TRUST_VARIABLE] = '1'


# -------------------------------------------------------------------------------------- the config


def find_file(path: str, what: str) -> str:
    """Path of a file given relative to the current folder or to the checkout."""
    for place in (Path.cwd(), REPO):
        if (place / path).is_file():
            return str(place / path)
    raise FileNotFoundError(f'{what}: there is no file {path!r} in {Path.cwd()} or {REPO}')


def read_config(path: str, options: dict) -> Config:
    """Read a config file, merge `--cfg-options` and spread the data block.

    Args:
        path: Config file, relative to the current folder or to the checkout.
        options: Dotted key -> value.

    Raises:
        FileNotFoundError: The config, or a file that its data block names, does not exist.
        ValueError: An option's key or type is wrong.
    """
    from mae_transfer.data.data_block import apply_data_block

    path = find_file(path, 'CONFIG')
    try:
        cfg = Config.fromfile(path)
    except SyntaxError as error:
        raise ValueError(f'{path}, or a file in its _base_, is no valid Python: {error}') from error
    for key, value in options.items():
        check_option(cfg, key, value)
    cfg.merge_from_dict(options)
    for line in apply_data_block(cfg, options):
        say(line)
    return cfg


def check_option(cfg: Config, key: str, value: object) -> None:
    """Refuse an option that would change nothing, or would change it to nonsense.

    A key is fine when the config has it, or when the class that its parent names takes an argument
    of that name. What lies in the data block is checked there.

    Raises:
        ValueError: Unknown key, a key that nothing reads, or a value of another type.
    """
    top, *rest = key.split('.')
    if top == 'data':
        return
    if top not in _read_keys():
        if top in cfg:
            raise ValueError(
                f'--cfg-options {key}: {top} is a variable inside the config file; changing it '
                'now has '
                'no effect. Set the keys that it was copied to (data.root=FOLDER for data folders)'
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
    """Top-level keys that have an effect after the config file was read."""
    from mmengine.runner import Runner

    return MORE_READ_KEYS | set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}


_ABSENT = object()


def _child(node: object, name: str) -> object:
    if isinstance(node, dict | Config) and name in node:
        return node[name]
    if isinstance(node, list | tuple) and name.isdigit() and int(name) < len(node):
        return node[int(name)]
    return _ABSENT


def _accepts(scope: str | None, node: object, argument: str) -> bool:
    """Whether the class that a config dict names, or a base class, takes this argument."""
    kind = node.get('type') if isinstance(node, dict) else None
    cls = _find_class(scope, kind) if isinstance(kind, str) else kind
    for base in inspect.getmro(cls) if inspect.isclass(cls) else ():
        if '__init__' not in vars(base):
            continue
        parameters = inspect.signature(base.__init__).parameters
        if argument in parameters and argument != 'self':
            return True
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return False
    return False


def _registries() -> list:
    """Root registries of mmengine."""
    import mmengine.registry as registry

    return [value for value in vars(registry).values() if isinstance(value, registry.Registry)]


def _find_class(scope: str | None, name: str) -> object | None:
    import_framework(scope)
    for root in _registries():
        with root.switch_scope_and_registry(scope) as registry:
            if (found := registry.get(name)) is not None:
                return found
    return None


def _check_type(key: str, old: object, new: object) -> None:
    """An option keeps the kind of value that it replaces; None and one value for several pass."""

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
    """Every dotted key of a config below the keys that are read."""
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


def closest(name: str, known: Iterable[str]) -> str:
    """'the closest are A, B, C' or, without anything near, what to do."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f'the closest are {", ".join(near)}' if near else 'nothing there is named alike'


# ------------------------------------------------------------------------------ framework and data


def import_framework(scope: str | None) -> None:
    """Register the parts of the one framework that the config needs, and ours."""
    importlib.import_module('mae_transfer')
    if scope in FRAMEWORKS:
        importlib.import_module(f'{scope}.utils').register_all_modules(init_default_scope=False)


def check_data(cfg: Config, loaders: Iterable[str]) -> None:
    """Find the data, take the class names from them, and refuse what cannot be right.

    Args:
        cfg: The config, changed in place.
        loaders: Keys of the data loaders that the run is going to use.
    """
    from mae_transfer.data.coco_classes import set_coco_classes
    from mae_transfer.data.config_datasets import resolve_data_roots
    from mae_transfer.data.mask_folder import check_masks

    loaders = list(loaders)
    resolve_data_roots(cfg, loaders, fallback=str(REPO))
    lines = set_coco_classes(cfg, loaders)
    told, warnings = check_masks(cfg, loaders)
    for line in [*lines, *told, *(f'WARNING: {warning}' for warning in warnings)]:
        say(line)


def is_main_process() -> bool:
    """Whether this is the first process of the run, before and after processes are joined."""
    return int(os.environ.get('RANK', os.environ.get('SLURM_PROCID', 0))) == 0


def say(line: str) -> None:
    """Print once a run."""
    if is_main_process():
        print(line, flush=True)


# ----------------------------------------------------------------------------------- the processes


def start_processes(cfg: Config, launcher: str) -> None:
    """Join the processes of a distributed run, with or without GPUs.

    mmengine's own start needs CUDA; a process group that exists before the Runner is respected.
    """
    from mae_transfer.compat.distributed import init_process_group, use_cpu_model_wrapper

    cfg.launcher = launcher
    if launcher != 'none':
        init_process_group(launcher)
        use_cpu_model_wrapper(cfg)


def set_work_dir(cfg: Config, config_path: str, work_dir: str | None) -> None:
    """`--work-dir`, else the config's, else work_dirs/<name of the config>."""
    cfg.work_dir = (
        work_dir or cfg.get('work_dir') or os.path.join('work_dirs', Path(config_path).stem)
    )


# ------------------------------------------------------------------------------ errors of the user


def run_tool(tool: Callable[[], None], debug: bool = False) -> None:
    """Run a tool; its user's mistakes become one sentence and exit code 2.

    Args:
        tool: The work. A bug in it keeps its traceback.
        debug: Show every traceback.
    """
    try:
        tool()
    except Exception as error:
        sentence = None if debug else user_sentence(error)
        if sentence is None:
            raise
        sys.stdout.flush()
        rank = '' if is_main_process() else f' (process {os.environ.get("RANK", "?")})'
        print(f'error{rank}: {sentence}', file=sys.stderr, flush=True)
        sys.exit(2)
    finally:
        stop_processes()


def stop_processes() -> None:
    """Leave the process group, where there is one."""
    distributed = sys.modules.get('torch.distributed')
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def user_sentence(error: Exception) -> str | None:
    """What to tell the user, or None when the error is a bug and its traceback is what helps.

    Ours to tell: an error that our own code raised on purpose, a missing file, a name that is not
    registered, an argument that a class of the config does not take, a config that cannot be read.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    unregistered = re.match(r"'?(\S+) is not in the (?:(\S+)::)?(.+?) registry", text)
    if isinstance(error, KeyError) and unregistered:
        return _unregistered(unregistered[1], unregistered[3])
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return text
    if isinstance(error, TypeError) and 'unexpected keyword argument' in text:
        return _unexpected_argument(error, text)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = (frame.filename, frame.lineno)
    if text.startswith('Caught ') and 'in DataLoader worker process' in text:
        # The worker's traceback is text: its last place, and behind that 'ValueError: sentence'.
        *_, (file, line) = re.findall(r'File "(.+)", line (\d+)', text)
        place = (file, int(line))
        text = re.split(rf'\n{type(error).__name__}: ', text)[-1].strip()
    if isinstance(error, ValueError | TypeError | ImportError | RuntimeError) and _raised_by_us(
        *place
    ):
        return text
    return None


def _raised_by_us(filename: str, line: int | None) -> bool:
    """Whether a line is a `raise` of the package or of a tool; a bug fails on any other line."""
    ours = filename.startswith((str(REPO / 'mae_transfer'), str(REPO / 'tools')))
    return ours and linecache.getline(filename, line or 0).strip().startswith('raise ')


def _unregistered(name: str, registry_name: str) -> str:
    """'X' is unknown; the three closest names and the modules that define them."""
    bare = name.rpartition('.')[2]
    known: dict[str, object] = {}
    for root in _registries():
        if root.name == registry_name:
            for registry in (root, *root.children.values()):
                known |= registry.module_dict
    near = difflib.get_close_matches(bare, list(known), n=3, cutoff=0.5)
    places = ', '.join(f'{n} ({getattr(known[n], "__module__", "?")})' for n in near)
    hint = f'the closest are {places}' if near else 'nothing there is named alike'
    return (
        f'type {name!r} is not registered as a {registry_name}; {hint}. A type of your own '
        'needs its '
        'module in custom_imports of the config'
    )


def _unexpected_argument(error: TypeError, text: str) -> str | None:
    """Only where mmengine built the object from a config: elsewhere it is a bug."""
    tb = error.__traceback__
    while tb.tb_next is not None:
        tb = tb.tb_next
    frame = tb.tb_frame
    cls = frame.f_locals.get('obj_cls')
    if frame.f_code.co_name != 'build_from_cfg' or cls is None:
        return None
    names = [name for name in inspect.signature(cls).parameters if name not in ('args', 'kwargs')]
    wrong = re.search(r"argument '(\w+)'", text)
    name = repr(wrong[1]) if wrong else text
    return f'{cls.__name__} takes no argument {name}; it takes {", ".join(names)}'
