"""Testing with several sizes and mirrorings: tools/test.py --tta."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from tests.support.tools import CONFIGS

TTA = """
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale=(w, h), keep_ratio=False) for w, h in ((64, 48), (96, 80))],
        [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
        [dict(type='LoadAnnotations')],
        [dict(type='MapLabels', num_classes=150, ignore_labels=[0])],
        [dict(type='PackSegInputs')],
    ]),
]
"""


@pytest.fixture
def tta_config(tmp_path):
    """The tiny UperNet, with tables of relative position, and how to average."""
    path = tmp_path / 'upernet.py'
    model = "model = dict(backbone=dict(rel_pos='table'))"
    path.write_text(f"_base_ = '{CONFIGS}/tiny_upernet.py'\n{model}\n{TTA}")
    return path


def make_checkpoint(config, path, num_classes: int = 3) -> None:
    """A model of a config with random weights, tables of relative position included."""
    cfg = Config.fromfile(config)
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    for head in (cfg.model.decode_head, cfg.model.auxiliary_head):
        head.num_classes = num_classes
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(cfg.model)
    for parameter in model.backbone.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    torch.save({'state_dict': model.state_dict()}, path)


@pytest.mark.slow
def test_tta__averages_sizes_and_mirrorings(run_main, tta_config, mask_options, tmp_path):
    """Own classes, too: their map of labels reaches every version of the picture."""
    make_checkpoint(tta_config, tmp_path / 'model.pth')
    mIoU = []
    for flags in ((), ('--tta',)):
        code, out, err = run_main(
            'test', tta_config, tmp_path / 'model.pth', *flags,
            *('--out', tmp_path / 'out.json', '--work-dir', tmp_path / 'work'),
            *('--cfg-options', *mask_options),
        )  # fmt: skip
        assert code == 0, err
        mIoU.append(json.loads((tmp_path / 'out.json').read_text())['metrics']['mIoU'])
    assert all(0 < value < 100 for value in mIoU) and mIoU[0] != mIoU[1]


def test_tta__a_config_that_does_not_say_how(run_main, tmp_path):
    torch.save({}, tmp_path / 'model.pth')
    code, _, err = run_main('test', CONFIGS / 'tiny_upernet.py', tmp_path / 'model.pth', '--tta')
    assert code == 2 and 'has no tta_model and no tta_pipeline' in err
