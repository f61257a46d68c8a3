"""Which files are pictures, and how their names end."""

import os

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff')


def common_suffix(folder: str) -> str | None:
    """Suffix of all pictures in a folder and below; None without such a folder or any picture.

    Raises:
        ValueError: The folder mixes suffixes.
    """
    names = (name for _, _, files in os.walk(folder) for name in files)
    found = {os.path.splitext(name)[1] for name in names}
    suffixes = sorted(suffix for suffix in found if suffix.lower() in IMAGE_SUFFIXES)
    if len(suffixes) > 1:
        raise ValueError(
            f'{folder} mixes {" and ".join(suffixes)}, but mmseg reads one kind of file: choose it '
            'with data.img_suffix or data.ann_suffix, or convert the others'
        )
    return suffixes[0] if suffixes else None
