"""Mistakes of the user in one sentence; bugs keep their traceback."""

import inspect
import linecache
import os
import re
import sys
import traceback
from collections.abc import Callable

from mae_transfer.closest import closest
from mae_transfer.run.framework import registries
from mae_transfer.run.places import PACKAGE, ROOT
from mae_transfer.run.processes import is_main_process, stop_processes


def run_tool(tool: Callable[[], object], debug: bool = False) -> None:
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
        # The worker's traceback is text: its last place, followed by 'ValueError: sentence'.
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
    ours = filename.startswith((str(PACKAGE), str(ROOT / 'tools')))
    return ours and linecache.getline(filename, line or 0).strip().startswith('raise ')


def _unregistered(name: str, registry_name: str) -> str:
    """'X' is unknown; the three closest names and the modules that define them."""
    bare = name.rpartition('.')[2]
    known: dict[str, object] = {}
    for root in registries():
        if root.name == registry_name:
            for registry in (root, *root.children.values()):
                known |= registry.module_dict
    places = {n: getattr(cls, '__module__', '?') for n, cls in known.items()}
    return (
        f'type {name!r} is not registered as a {registry_name}; {closest(bare, places)}. A type of '
        'your own needs its module in custom_imports of the config'
    )


def _unexpected_argument(error: TypeError, text: str) -> str | None:
    """Only where mmengine built the object from a config: elsewhere it is a bug."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    cls = frame.f_locals.get('obj_cls')
    if frame.f_code.co_name != 'build_from_cfg' or cls is None:
        return None
    names = [name for name in inspect.signature(cls).parameters if name not in ('args', 'kwargs')]
    wrong = re.search(r"argument '(\w+)'", text)
    name = repr(wrong[1]) if wrong else text
    return f'{cls.__name__} takes no argument {name}; it takes {", ".join(names)}'
