"""Where configs and tools lie, and files that are named relative to them."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# The checkout, or in an installed wheel what was packed of it.
ROOT = PACKAGE.parent if (PACKAGE.parent / 'configs').is_dir() else PACKAGE / '.mim'


def find_file(path: str, what: str) -> str:
    """Path of a file given relative to the current folder or to the checkout."""
    for place in (Path.cwd(), ROOT):
        if (place / path).is_file():
            return str(place / path)
    raise FileNotFoundError(f'{what}: there is no file {path!r} in {Path.cwd()} or {ROOT}')
