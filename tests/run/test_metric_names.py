"""Metric names of the papers, in percent."""

import pytest

from mae_transfer.run.metric_names import paper_metrics


def test_paper_metrics__each_framework():
    raw = {
        'coco/bbox_mAP': 0.372,
        'coco/bbox_mAP_50': 0.5,
        'coco/bbox_mAP_l': -1.0,
        'coco/segm_mAP': 0.25,
        'coco/bbox_mAP_copypaste': '0.372 0.500',
        'mIoU': 48.1,
        'aAcc': 80,
        'accuracy/top1': 83.6,
        'other': 3,
    }
    metrics = paper_metrics(raw)
    assert metrics.pop('box_APl') is None
    assert metrics == pytest.approx(
        dict(box_AP=37.2, box_AP50=50.0, mask_AP=25.0, mIoU=48.1, aAcc=80.0, top1=83.6, other=3.0)
    )


def test_paper_metrics__table_of_all_names():
    """Each metric has a value of its own, so an exchange shows; AP is given in 0 to 1."""
    ap = {'mAP': 'AP', 'mAP_50': 'AP50', 'mAP_75': 'AP75', 'mAP_s': 'APs', 'mAP_m': 'APm',
          'mAP_l': 'APl'}  # fmt: skip
    raw, expected = {}, {}
    for i, (kind, ours) in enumerate([('bbox', 'box'), ('segm', 'mask')]):
        for j, (item, name) in enumerate(ap.items()):
            raw[f'coco/{kind}_{item}'] = 0.5 * i + 0.01 * (j + 1)
            expected[f'{ours}_{name}'] = 50 * i + j + 1
    percent = {'mIoU': 'mIoU', 'mAcc': 'mAcc', 'aAcc': 'aAcc', 'accuracy/top1': 'top1',
               'accuracy/top5': 'top5'}  # fmt: skip
    for i, (name, ours) in enumerate(percent.items()):
        raw[name] = expected[ours] = 90.0 + i
    assert paper_metrics(raw) == pytest.approx(expected)
    assert paper_metrics({'mIoU': 1.23456789}) == {'mIoU': 1.2346}
