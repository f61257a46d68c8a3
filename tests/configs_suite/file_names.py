"""The grammar of config names, part by part, compared with the content."""

import re

from mmengine.config import Config

from tests.configs_suite.reading import plain

BACKBONE = re.compile(r'vit-(?P<arch>[a-z]+)-p(?P<patch>\d+)')
TRAINING = re.compile(
    r'(?P<gpus>\d+)xb(?P<images>\d+)(?P<words>(-[a-z]+)*)-(?P<length>\d+)(?P<unit>[eki])'
)
ALGORITHMS = {'mae': 'MaskedAutoencoder', 'mask-rcnn': 'MaskRCNN', 'upernet': 'EncoderDecoder'}
NECKS = {'simple-fpn': 'SimpleFPN'}
DATA = {'in1k': 'imagenet', 'coco': 'coco', 'ade20k': 'ade', 'scenes': 'demo-scenes'}
NUM_IMAGES = {'coco': 118000}


def check_name(stem: str, cfg: Config) -> None:
    """Compare each part of a file name with the content; see the style guide's grammar."""
    *model_parts, training, data = stem.split('_')
    (backbone,) = (part for part in model_parts if BACKBONE.fullmatch(part))
    place = model_parts.index(backbone)
    algorithm, extras = model_parts[:place], model_parts[place + 1 :]

    expected = ALGORITHMS[algorithm[0]] if algorithm else 'ImageClassifier'
    assert cfg.model.type == expected
    arch, patch = BACKBONE.fullmatch(backbone).groups()
    assert cfg.model.backbone.arch == arch or isinstance(cfg.model.backbone.arch, dict)
    assert isinstance(cfg.model.backbone.arch, dict) == (arch == 'demo')
    assert cfg.model.backbone.patch_size == int(patch)
    for extra in extras:
        if extra == 'mae-pre':
            init_cfg = cfg.model.backbone.get('init_cfg') or {}
            assert arch == 'demo' or init_cfg.type == 'PretrainedViT'
        else:
            assert cfg.model.neck.type == NECKS[extra]

    match = TRAINING.fullmatch(training)
    images = int(match['images'])
    accumulated = cfg.optim_wrapper.get('accumulative_counts', 1)
    assert cfg.train_dataloader.batch_size * accumulated == images
    assert cfg.auto_scale_lr.base_batch_size == int(match['gpus']) * images
    words = match['words'].split('-')
    assert ('amp' in words) == (cfg.optim_wrapper.type == 'AutocastOptimWrapper')
    schedules = [scheduler.type for scheduler in cfg.param_scheduler]
    assert 'coslr' not in words or 'CosineAnnealingLR' in schedules
    resizes = [s for s in cfg.train_pipeline if s.type == 'RandomResize'] if 'lsj' in words else []
    assert all(plain(resize.ratio_range) == [0.1, 2.0] for resize in resizes)

    name, _, size = data.partition('-')
    assert f'data/{DATA[name]}' in cfg.train_dataloader.dataset.data_root
    if size:
        sides = [int(side) for side in size.split('x')]
        img_size = cfg.model.backbone.img_size
        assert sides == ([img_size] * 2 if isinstance(img_size, int) else plain(img_size))
    length = int(match['length']) * (1000 if match['unit'] == 'k' else 1)
    total = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.max_iters
    assert max(scheduler.end for scheduler in cfg.param_scheduler) == total
    if match['unit'] == 'e' and cfg.train_cfg.type == 'IterBasedTrainLoop':
        total = round(total * cfg.auto_scale_lr.base_batch_size / NUM_IMAGES[name])
    assert total == length
