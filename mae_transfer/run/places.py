"""Locates configs, tools, and files given relative to them."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# The checkout, which .mim links to; in an installed wheel .mim itself, which contains the files.
ROOT = (PACKAGE / '.mim' / 'configs').resolve().parent
IN_CHECKOUT = ROOT == PACKAGE.parent
CONFIG_PREFIX = 'mae_transfer::'


def default_root() -> Path:
    """Return the default folder of data/ and work_dirs/: the checkout, or the current folder."""
    return ROOT if IN_CHECKOUT else Path.cwd()


def find_file(path: str, what: str) -> str:
    """Find a file given relative to the current folder or to the checkout.

    Args:
        path: The path; ``mae_transfer::PATH`` is relative to the configs of this package.
        what: The argument that names the file, for the error, such as 'CONFIG'.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if path.startswith(CONFIG_PREFIX):
        path, places = path.removeprefix(CONFIG_PREFIX), [ROOT / 'configs']
    else:
        places = list(dict.fromkeys([Path.cwd(), ROOT]))
    for place in places:
        if (place / path).is_file():
            return str(place / path)
    raise FileNotFoundError(f'{what}: there is no file {path!r} in {" or ".join(map(str, places))}')
