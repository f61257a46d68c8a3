"""Objects and texts that would do harm to whoever loads or runs them."""

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any


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


class WithState:
    """Pickles as an object of a class that gets a state of our choice."""

    def __init__(self, cls: type, state: Any) -> None:
        self.cls, self.state = cls, state

    def __reduce__(self) -> tuple:
        return self.cls, (), self.state


class WithAttributes:
    """Pickles as an ordered dict with attributes, which hide its methods."""

    def __init__(self, content: dict, **attributes: Any) -> None:
        self.content, self.attributes = content, attributes

    def __reduce__(self) -> tuple:
        return OrderedDict, (), self.attributes, None, iter(self.content.items())


def code_that_writes(path: Path | str) -> str:
    """The text of a config that creates a file when it is read."""
    return f'import os\nos.system("touch {path}")\n'
