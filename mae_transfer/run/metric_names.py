"""Renames metrics to the names used in papers, in percent.

mmdet reports AP as 'coco/bbox_mAP' in 0..1 with three decimals, mmseg mIoU in percent, mmpretrain
'accuracy/top1' in percent. All of our metrics are in percent: 37.2 is 37.2 box AP.
"""

from collections.abc import Mapping
from typing import Any

PAPER_NAMES = {
    'mIoU': 'mIoU',
    'mAcc': 'mAcc',
    'aAcc': 'aAcc',
    'accuracy/top1': 'top1',
    'accuracy/top5': 'top5',
}
DIGITS = 4  # evaluators round to two or three decimals anyway
BOX_AND_MASK = {'bbox': 'box', 'segm': 'mask'}
AP_ITEMS = {
    'mAP': 'AP',
    'mAP_50': 'AP50',
    'mAP_75': 'AP75',
    'mAP_s': 'APs',
    'mAP_m': 'APm',
    'mAP_l': 'APl',
}


def paper_metrics(raw: Mapping[str, Any]) -> dict[str, float | None]:
    """Rename and rescale the metrics of an evaluator.

    Args:
        raw: Metrics of mmdet, mmseg or mmpretrain, as `Runner.test` returns them.

    Returns:
        `box_AP`, `mask_AP` (with 50, 75, s, m, l), `mIoU`, `mAcc`, `aAcc`, `top1`, `top5` in
        percent; None if the data has no object of that size (COCO reports -1). Other numbers keep
        their name. All are rounded to four decimals; text, such as mmdet's `_copypaste` lines, is
        dropped.
    """
    metrics: dict[str, float | None] = {}
    for name, value in raw.items():
        if isinstance(value, str):
            continue
        kind, _, item = name.rpartition('/')[2].partition('_')
        if kind in BOX_AND_MASK and item in AP_ITEMS:
            metrics[f'{BOX_AND_MASK[kind]}_{AP_ITEMS[item]}'] = (
                None if value < 0 else round(100 * float(value), DIGITS)
            )
        else:
            metrics[PAPER_NAMES.get(name, name)] = round(float(value), DIGITS)
    return metrics
