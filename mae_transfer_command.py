"""Runs the toolkit's tools as subcommands of ``mae-transfer``.

This module is outside the package, because importing the package fails if the installed versions
do not fit, which is when ``mae-transfer doctor`` is needed.
"""

import ast
import importlib.util
import runpy
import signal
import sys
import traceback
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).resolve().parent / 'mae_transfer'
TOOLS = (PACKAGE / '.mim' / 'tools').resolve()
# Command -> file in tools/.
COMMANDS = {
    'train': 'train.py',
    'test': 'test.py',
    'demo': 'demo.py',
    'weights': 'weights.py',
    'inspect': 'inspect_checkpoint.py',
    'export': 'export.py',
    'print-config': 'print_config.py',
    'fit-patch-pca': 'fit_patch_pca.py',
    'replay': 'replay.py',
    'doctor': 'doctor.py',
}


def main() -> int | None:
    """Run the tool named by the first argument with the remaining arguments.

    Returns:
        The exit code; None means success.
    """
    name, *arguments = sys.argv[1:] or ['--help']
    if name in ('-h', '--help'):
        print(help_text())
        return 0
    if name == '--version':
        print(f'mae-transfer {_constants("version.py")["__version__"]}')
        return 0
    if name not in COMMANDS:
        hint = _constants('closest.py')['closest'](name, list(COMMANDS))
        print(
            f'error: there is no command {name!r}; {hint}; `mae-transfer --help` lists all',
            file=sys.stderr,
        )
        return 2
    sys.argv = [f'mae-transfer {name}', *arguments]
    # No traceback of the imports, which take seconds, at Ctrl-C; an ignored one stays ignored.
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        tool = load_tool(TOOLS / COMMANDS[name])
    except ImportError as error:
        if not _of_version_check(error):
            raise
        print(f'error: {error}\nRun `mae-transfer doctor` for details.', file=sys.stderr)
        return 2
    finally:
        if interrupt is signal.default_int_handler:
            signal.signal(signal.SIGINT, interrupt)
    return tool.main()


def help_text() -> str:
    """List the commands with the first lines of their tools' docstrings."""
    lines = ['usage: mae-transfer COMMAND [arguments]', '']
    for name, file in COMMANDS.items():
        doc = ast.get_docstring(ast.parse((TOOLS / file).read_text(encoding='utf-8'))) or ''
        lines.append(f'  {name:<14} {doc.partition(chr(10))[0]}')
    lines += ['', '`mae-transfer COMMAND --help` explains the arguments of a command.']
    return '\n'.join(lines)


def load_tool(path: Path) -> ModuleType:
    """Import a tool under a unique name, as one is called ``test.py``."""
    name = f'mae_transfer_tool_{path.stem}'
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path
    sys.modules[name] = tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def _of_version_check(error: ImportError) -> bool:
    """Return whether the import of the package failed because of the installed versions."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Path(last.filename) == PACKAGE / 'compat' / 'versions.py'


def _constants(file: str) -> dict:
    """Run one file of the package, which must not import others, without importing the package."""
    return runpy.run_path(str(PACKAGE / file))


if __name__ == '__main__':
    sys.exit(main())
