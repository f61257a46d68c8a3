"""Completes the test stage of a config, and sets up test-time augmentation."""

import copy

from mmengine.config import Config

from mae_transfer.data.config_datasets import base_type, iter_datasets, iter_pipelines


def set_test_stage(cfg: Config, name: str) -> None:
    """Complete the test stage; a config without one uses its validation stage.

    Raises:
        ValueError: The config cannot be evaluated.
    """
    for key in ('dataloader', 'evaluator', 'cfg'):
        if not cfg.get(f'test_{key}') and cfg.get(f'val_{key}'):
            cfg[f'test_{key}'] = cfg[f'val_{key}']
    absent = [key for key in ('test_dataloader', 'test_evaluator') if not cfg.get(key)]
    if absent:
        raise ValueError(
            f'{name} cannot be evaluated: it has no {" and no ".join(absent)}. Judge a '
            'pre-training by its reconstructions and by the tasks that start from it'
        )
    # A val_cfg may belong to a custom loop with an interval; testing is always one pass.
    cfg.test_cfg = (
        cfg.get('test_cfg') if 'test_cfg' in cfg and cfg.test_cfg else dict(type='TestLoop')
    )
    if cfg.test_cfg.get('type') == 'ValLoop':
        cfg.test_cfg.type = 'TestLoop'
    # Only the test stage is built.
    for key in (
        'train_dataloader',
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'val_dataloader',
        'val_cfg',
        'val_evaluator',
    ):
        cfg.pop(key, None)


def set_tta(cfg: Config, name: str) -> None:
    """Test each picture in the views of `tta_pipeline`, averaged by `tta_model`.

    The label map stays that of the test data, which `--cfg-options data.classes=...` may have set.

    Raises:
        ValueError: The config lacks one of the two.
    """
    absent = [key for key in ('tta_model', 'tta_pipeline') if not cfg.get(key)]
    if absent:
        raise ValueError(f'--tta: {name} has no {" and no ".join(absent)}')
    for _, dataset in iter_datasets(cfg, ['test_dataloader']):
        maps = [step for step in dataset['pipeline'] if base_type(step) == 'MapLabels']
        dataset['pipeline'] = copy.deepcopy(cfg.tta_pipeline)
        for steps in iter_pipelines(dataset):
            if maps and any(isinstance(s, dict) and base_type(s) == 'MapLabels' for s in steps):
                steps[:] = maps
    cfg.model = dict(**cfg.tta_model, module=cfg.model)
