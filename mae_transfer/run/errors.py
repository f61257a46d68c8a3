"""Reports users' mistakes in one sentence, and bugs with their traceback."""

import inspect
import linecache
import re
import traceback
from collections.abc import Callable

from mae_transfer.closest import closest
from mae_transfer.processes.signal_watch import RunStopped, start_watch, stop_watch
from mae_transfer.run.disk import DiskError, write_error
from mae_transfer.run.framework import registries
from mae_transfer.run.places import PACKAGE, ROOT
from mae_transfer.run.processes import stop_processes
from mae_transfer.run.rank_errors import end_with_error


def run_tool(tool: Callable[[], object], debug: bool = False) -> None:
    """Run a tool; report a user's mistake in one sentence with exit code 2.

    A signal that asks the process to end ends it with one line and the code that shells give to the
    signal; a training first ends its step and saves it.

    Args:
        tool: The function to run. Bugs in it keep their traceback.
        debug: Whether to show the traceback of every error.
    """
    start_watch()
    try:
        tool()
    except Exception as error:
        if (stopped := stop_behind(error)) is not None:
            raise stopped from None
        end_with_error(error, None if debug else user_sentence(error))
        raise
    finally:
        stop_processes()
        stop_watch()


def stop_behind(error: BaseException) -> RunStopped | None:
    """Return the signal's exception if code of others has caught it and raised its own error.

    MMEngine, for example, takes whatever ends the formatting of a config for a wrong config.
    """
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, RunStopped):
        behind = behind.__context__
    return behind


def user_sentence(error: Exception) -> str | None:
    """Return the sentence for the user, or None if the error is a bug, which needs its traceback.

    Users' mistakes are errors that our own code raises on purpose, missing files, names that are
    not registered, arguments that a class in the config does not take, and unreadable configs.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    unregistered = re.match(r"'?(\S+) is not in the (?:(\S+)::)?(.+?) registry", text)
    if isinstance(error, KeyError) and unregistered:
        return _unregistered(unregistered[1], unregistered[3])
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return text
    if isinstance(error, DiskError):
        return text
    if isinstance(error, OSError) and (sentence := write_error(error)):
        return sentence
    if isinstance(error, ImportError) and isinstance(error.__context__, ImportError):
        return user_sentence(error.__context__)  # MMEngine wraps what failed in custom_imports
    if isinstance(error, TypeError) and 'unexpected keyword argument' in text:
        return _unexpected_argument(error, text)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = (frame.filename, frame.lineno)
    if text.startswith('Caught ') and 'in DataLoader worker process' in text:
        # The worker's traceback is text: the line that raised, then 'ValueError: sentence'.
        *_, (file, line) = re.findall(r'File "(.+)", line (\d+)', text)
        place = (file, int(line))
        text = re.split(rf'\n(?:[\w.]+\.)?{type(error).__name__}: ', text)[-1].strip()
    if isinstance(error, ValueError | TypeError | ImportError | RuntimeError) and _raised_by_us(
        *place
    ):
        return text
    return None


def _raised_by_us(filename: str, line: int | None) -> bool:
    """Return whether a line is a `raise` in the package or a tool; bugs fail on other lines."""
    ours = filename.startswith((str(PACKAGE), str(ROOT / 'tools')))
    return ours and linecache.getline(filename, line or 0).strip().startswith('raise ')


def _unregistered(name: str, registry_name: str) -> str:
    """Say that a name is unknown; add the three closest names and the modules that define them."""
    bare = name.rpartition('.')[2]
    known: dict[str, object] = {}
    for root in registries():
        if root.name == registry_name:
            for registry in (root, *root.children.values()):
                known |= registry.module_dict
    places = {n: getattr(cls, '__module__', '?') for n, cls in known.items()}
    return (
        f'type {name!r} is not registered as a {registry_name}; {closest(bare, places)}. For a '
        'type of your own, add its module to custom_imports.imports in the config'
    )


def _unexpected_argument(error: TypeError, text: str) -> str | None:
    """Word the error if mmengine was building an object from a config; elsewhere it is a bug."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    cls = frame.f_locals.get('obj_cls')
    if frame.f_code.co_name != 'build_from_cfg' or cls is None:
        return None
    names = [name for name in inspect.signature(cls).parameters if name not in ('args', 'kwargs')]
    wrong = re.search(r"argument '(\w+)'", text)
    name = repr(wrong[1]) if wrong else text
    return f'{cls.__name__} takes no argument {name}; it takes {", ".join(names)}'
