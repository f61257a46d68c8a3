"""AP of each class on request: tools/test.py --cfg-options test_evaluator.classwise=True."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from tests.support.tools import CONFIGS


def make_checkpoint(path) -> None:
    """The tiny Mask R-CNN of two classes with random weights."""
    cfg = Config.fromfile(CONFIGS / 'tiny_mask_rcnn.py')  # offers RoIAlign, which mmdet imports
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    for head in (cfg.model.roi_head.bbox_head, cfg.model.roi_head.mask_head):
        head.num_classes = 2
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        torch.save({'state_dict': MODELS.build(cfg.model).state_dict()}, path)


@pytest.mark.slow
@pytest.mark.parametrize('metric', [(), ('test_evaluator.metric=bbox',)])
def test_classwise__gives_the_ap_of_each_class(run_main, coco_options, tmp_path, metric):
    """Of boxes and masks in the log; MMDetection returns those of the last metric."""
    make_checkpoint(tmp_path / 'model.pth')
    code, _, err = run_main(
        *('test', CONFIGS / 'tiny_mask_rcnn.py', tmp_path / 'model.pth'),
        *('--out', tmp_path / 'out.json', '--work-dir', tmp_path / 'work', '--cfg-options'),
        *(*coco_options, 'test_evaluator.classwise=True', *metric),
        *('model.test_cfg.rcnn.score_thr=0.0',),
    )
    assert code == 0, err
    raw = json.loads((tmp_path / 'out.json').read_text())['raw']
    classes = {'plate', 'door'}
    assert {f'coco/{name}_precision' for name in classes} <= raw.keys()
    assert all(0 <= raw[f'coco/{name}_precision'] <= 1 for name in classes)
    (log,) = (tmp_path / 'work').rglob('*.log')
    tables = [line for line in log.read_text().splitlines() if 'category' in line]
    assert len(tables) == (1 if metric else 2)
