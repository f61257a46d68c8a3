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
