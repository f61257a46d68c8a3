"""Map the values in mask files to the labels that a segmentor is trained on.

mmseg's `reduce_zero_label` shifts every label by one, silently and in two places. Here the map is
written out: a value of the file is one class, or is ignored, or is an error that names the file.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from mae_transfer.data.picture_files import UnreadableFile, why_no_mask
from mae_transfer.registry import TRANSFORMS

IGNORE = 255  # mmseg's ignore_index, in files and in training: never a class
UNMAPPED = -1


def read_class_file(path: str | Path) -> tuple[list[str], list[int] | None]:
    """Read class names from a text file with one class a line.

    Lines are either names, or all of them 'VALUE NAME' with the value that the class has in the
    mask files ('7 road').

    Args:
        path: The text file; empty lines are skipped.

    Returns:
        The names in order, and their values in the mask files or None when the file has only names.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: No names, or a name or a value occurs twice.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'data.classes: there is no file {str(path)!r}')
    lines = [
        line.strip() for line in Path(path).read_text(encoding='utf-8').splitlines() if line.strip()
    ]
    numbered = [m for line in lines if (m := re.fullmatch(r'(\d+)[\s:,]+(.*\S)', line))]
    values = [int(m[1]) for m in numbered] if lines and len(numbered) == len(lines) else None
    names = [m[2] for m in numbered] if values else lines
    for what, items in (('name', names), ('value', [str(value) for value in values or ()])):
        twice = sorted({item for item in items if items.count(item) > 1})
        if twice:
            raise ValueError(f'{path}: the {what} {", ".join(twice)} occurs more than once')
    if not names:
        raise ValueError(f'{path} holds no class names: write one on each line')
    return names, values


def label_table(
    num_classes: int | None = None,
    ignore_labels: Sequence[int] | int = (),
    label_map: Mapping[int | str, int | str] | None = None,
) -> np.ndarray:
    """Build the table from the values of a mask file to the labels that are trained.

    Args:
        num_classes: Without ``label_map``: the first ``num_classes`` values from 0 that are not in
            ``ignore_labels`` are the classes, in order. ADE20K is ``(150, ignore_labels=[0])``.
        ignore_labels: Values that are not trained. 255 is always among them.
        label_map: Value -> label or 'ignore', in place of ``num_classes``.

    Returns:
        Labels, (256,), int16: in [0, num_classes), 255 = ignored, -1 = no such value is allowed.

    Raises:
        ValueError: Both or neither of ``num_classes`` and ``label_map``, or a value outside 0..255.
    """
    ignored = {IGNORE, *([ignore_labels] if isinstance(ignore_labels, int) else ignore_labels)}
    if num_classes is not None and label_map is None:
        values = [value for value in range(IGNORE) if value not in ignored]
        if not 1 <= num_classes <= len(values):
            raise ValueError(
                f'num_classes={num_classes}: must be in [1, {len(values)}], the values of an 8-bit '
                'mask that are not ignored'
            )
        pairs = {value: label for label, value in enumerate(values[:num_classes])}
    elif label_map is not None and num_classes is None:
        pairs = {
            int(value): IGNORE if to == 'ignore' else int(to) for value, to in label_map.items()
        }
        both = sorted(ignored & {value for value, to in pairs.items() if to != IGNORE})
        if both:
            raise ValueError(
                f'the values {both} are both a class and ignored: leave them out of one'
            )
    else:
        raise ValueError('a label map needs either num_classes or label_map, and not both')
    wrong = [v for v in [*pairs, *pairs.values(), *ignored] if not 0 <= v <= IGNORE]
    if wrong:
        raise ValueError(f'label map: {wrong} are outside 0..255, the values of an 8-bit mask')
    table = np.full(256, UNMAPPED, np.int16)  # 8 bits would not hold -1
    table[list(pairs)] = list(pairs.values())
    table[list(ignored)] = IGNORE
    return table


def map_labels(seg: np.ndarray, table: np.ndarray, path: str) -> np.ndarray:
    """Turn the values of one mask into labels.

    Args:
        seg: Values of the file, (H, W), integers.
        table: What :func:`label_table` returned.
        path: The file, for messages.

    Returns:
        Labels, (H, W), uint8.

    Raises:
        UnreadableFile: The mask is a color picture, or has values of more than 8 bits.
        ValueError: A value is neither mapped nor ignored.
    """
    if reason := why_no_mask(seg):
        raise UnreadableFile(path, reason)
    if seg.max(initial=0) > IGNORE or seg.min(initial=0) < 0:
        reason = f'it holds values from {seg.min()} to {seg.max()}, and masks must be 8-bit'
        raise UnreadableFile(path, reason)
    labels = table[seg]
    if (labels == UNMAPPED).any():
        values, counts = np.unique(seg[labels == UNMAPPED], return_counts=True)
        listed = ', '.join(
            f'{v} ({c} pixels)' for v, c in zip(values[:10], counts[:10], strict=True)
        )
        raise ValueError(
            f'{path} holds values that are neither a class nor ignored: {listed}; ignore them with '
            f'data.ignore_labels=[{",".join(str(v) for v in values[:10])}], or name them in '
            'data.classes'
        )
    return labels.astype(np.uint8)


@TRANSFORMS.register_module()
class MapLabels(BaseTransform):
    """Map the values of a mask file to training labels; comes right after `LoadAnnotations`.

    Required and modified key: `gt_seg_map` (H, W). Arguments as in :func:`label_table`.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        ignore_labels: Sequence[int] | int = (),
        label_map: Mapping[int | str, int | str] | None = None,
    ) -> None:
        self.table = label_table(num_classes, ignore_labels, label_map)

    def transform(self, results: dict) -> dict:
        """Map `gt_seg_map`; an error names the file, the values and their pixel counts."""
        path = results.get('seg_map_path', 'the mask')
        if results.get('reduce_zero_label') or results.get('label_map'):
            raise ValueError(
                f'{path}: reduce_zero_label or metainfo.classes has already moved its labels, and '
                'MapLabels would move them again: set reduce_zero_label=False and use a '
                'BaseSegDataset'
            )
        results['gt_seg_map'] = map_labels(results['gt_seg_map'], self.table, path)
        return results

    def __repr__(self) -> str:
        """Name and number of classes."""
        labels = self.table[(self.table >= 0) & (self.table != IGNORE)]
        return f'{type(self).__name__}(num_classes={labels.max(initial=-1) + 1})'
