"""The command ``mae-transfer``: the tools of the toolkit under one name.

This module is outside the package, because importing the package stops where the installed
versions do not fit, and that is where ``mae-transfer doctor`` is needed.
"""

import ast
import importlib.util
import runpy
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
    'doctor': 'doctor.py',
}


def main() -> int | None:
    """Run the tool that the first argument names with the arguments that follow.

    Returns:
        The exit code; None is success.
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
    try:
        tool = load_tool(TOOLS / COMMANDS[name])
    except ImportError as error:
        if not _of_version_check(error):
            raise
        print(f'error: {error}\n`mae-transfer doctor` says more.', file=sys.stderr)
        return 2
    return tool.main()


def help_text() -> str:
    """List the commands, each with the first line of its tool's docstring."""
    lines = ['usage: mae-transfer COMMAND [arguments]', '']
    for name, file in COMMANDS.items():
        doc = ast.get_docstring(ast.parse((TOOLS / file).read_text(encoding='utf-8'))) or ''
        lines.append(f'  {name:<14} {doc.partition(chr(10))[0]}')
    lines += ['', '`mae-transfer COMMAND --help` explains the arguments of a command.']
    return '\n'.join(lines)


def load_tool(path: Path) -> ModuleType:
    """Import a tool, under a name that shadows nothing: there is a ``test.py``."""
    name = f'mae_transfer_tool_{path.stem}'
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path
    sys.modules[name] = tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def _of_version_check(error: ImportError) -> bool:
    """Whether importing the package stopped because the installed versions do not fit."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Path(last.filename) == PACKAGE / 'compat' / 'versions.py'


def _constants(file: str) -> dict:
    """Run one file of the package that imports nothing of it, without importing the package."""
    return runpy.run_path(str(PACKAGE / file))


if __name__ == '__main__':
    sys.exit(main())
