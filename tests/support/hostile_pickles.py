"""Objects and texts that would do harm to whoever loads or runs them."""

import os
from collections.abc import Callable
from pathlib import Path


class WritesAFile:
    """Pickles as a call that would create a file when it is loaded."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Callable, tuple]:
        return open, (self.path, 'w')


class RunsAShell:
    """Pickles as a call of a module that torch blocks altogether."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.system, (f'touch {self.path}',)


def code_that_writes(path: Path | str) -> str:
    """The text of a config that creates a file when it is read."""
    return f'import os\nos.system("touch {path}")\n'
