"""The grammar of config names, part by part, compared with the content."""

import re

from mmengine.config import Config

from mae_transfer.backbones.arch import resolve_arch
from mae_transfer.data.repeated_sampling import samples_per_picture
from tests.configs_suite.reading import lookup, plain
from tests.configs_suite.tables import cae, pretrain

BACKBONE = re.compile(r'vit-(?P<arch>[a-z]+)-p(?P<patch>\d+)')
TRAINING = re.compile(
    r'(?P<gpus>\d+)xb(?P<images>\d+)(?P<words>(-[a-z]+)*)-(?P<length>\d+)(?P<unit>[eki])'
)
ALGORITHMS = {
    'mae': 'MaskedAutoencoder',
    'cae': 'ContextAutoencoder',
    'mask-rcnn': 'MaskRCNN',
    'cascade-mask-rcnn': 'CascadeRCNN',
    'upernet': 'EncoderDecoder',
}
PRETRAINING = {'MaskedAutoencoder': pretrain, 'ContextAutoencoder': cae}  # their variants
NECKS = {'simple-fpn': ['SimpleFPN'], 'fpn': ['RescaledPyramid', 'FPN']}
PARTS = {  # of a detector or a segmentor, beyond its neck
    'rel-pos': {'model.backbone.rel_pos': 'table'},
    'rpn-ln': {'model.rpn_head.type': 'RPNHeadWithNorm'},
}
DATA = {
    'in1k': 'imagenet',
    'coco': 'coco',
    'ade20k': 'ade',
    'scenes': 'demo-scenes',
    'cifar10': 'cifar10',
    'cifarmini': 'cifar-mini',
}
OWN_ARCHS = ('demo', 'mini')  # given as dicts
COSINES = {'CosineAnnealingLR', 'WarmupUnderCosineLR'}
NUM_IMAGES = {'coco': 118000}


def trained_blocks(cfg: Config) -> float:
    """How many of the encoder's last blocks are trained."""
    backbone = cfg.model.backbone
    depth = resolve_arch(backbone.arch)['num_layers']
    if (k := backbone.get('trainable_blocks')) is not None:
        return k
    return depth - max(0, backbone.get('frozen_stages', -1))


def neck_types(cfg: Config) -> list[str]:
    """Classes of the neck: none, one, or several in a row."""
    necks = cfg.model.get('neck') or []
    return [neck.type for neck in (necks if isinstance(necks, list) else [necks])]


def check_words(words: list[str], cfg: Config) -> None:
    """Compare what a name says of the training with what is trained."""
    assert ('amp' in words) == (cfg.optim_wrapper.type == 'AutocastOptimWrapper')
    strategy = (cfg.get('strategy') or {}).get('type')
    assert ('fsdp' in words) == (strategy == 'FullyShardStrategy')
    schedules = [scheduler.type for scheduler in cfg.param_scheduler]
    assert 'coslr' not in words or COSINES & set(schedules)
    resizes = [s for s in cfg.train_pipeline if s.type == 'RandomResize'] if 'lsj' in words else []
    assert all(plain(resize.ratio_range) == [0.1, 2.0] for resize in resizes)
    pipeline = cfg.train_dataloader.dataset.pipeline
    assert ('ms' in words) == ('RandomChoice' in [step.type for step in pipeline])
    attentive = 'AttentiveProbe' in neck_types(cfg)
    k, depth = trained_blocks(cfg), resolve_arch(cfg.model.backbone.arch)['num_layers']
    assert ('attentive' in words) == attentive
    assert ('linear' in words) == (k == 0 and not attentive)
    assert ('partial' in words) == (0 < k < depth)
    assert ('mlp' in words) == (k % 1 == 0.5)
    assert ('ema' in words) == ('EMAHook' in [hook.type for hook in cfg.custom_hooks])


def has_facts(cfg: Config, facts: dict) -> bool:
    """Whether a config states all these values."""
    try:
        return all(plain(lookup(cfg, key)) == plain(value) for key, value in facts.items())
    except (AttributeError, KeyError, ValueError):  # another model, another pipeline
        return False


def check_pretraining(words: list[str], checkpoint: str) -> None:
    """Compare the method, and perhaps the epochs, with the name of the file that is loaded."""
    method, *epochs = words
    assert method in checkpoint.rpartition('/')[2] or not checkpoint.endswith('.pth')
    assert all(f'_{length}p' in checkpoint for length in epochs)


def check_name(stem: str, cfg: Config) -> None:
    """Compare each part of a file name with the content; see the style guide's grammar."""
    *model_parts, training, data = stem.split('_')
    (backbone,) = (part for part in model_parts if BACKBONE.fullmatch(part))
    place = model_parts.index(backbone)
    algorithm, extras = model_parts[:place], model_parts[place + 1 :]

    expected = ALGORITHMS[algorithm[0]] if algorithm else 'ImageClassifier'
    assert cfg.model.type == expected
    arch, patch = BACKBONE.fullmatch(backbone).groups()
    stated = cfg.model.backbone.arch
    if arch in OWN_ARCHS:
        assert isinstance(stated, dict)
    else:  # a dict may say what the name does not: CAE's small encoder has 12 heads
        sizes = [(a['embed_dims'], a['num_layers']) for a in map(resolve_arch, (stated, arch))]
        assert sizes[0] == sizes[1]
    assert cfg.model.backbone.patch_size == int(patch)
    variants = PRETRAINING[expected].VARIANTS if expected in PRETRAINING else {}
    for extra in extras:
        if extra.endswith('-pre'):
            init_cfg = cfg.model.backbone.get('init_cfg') or {}
            assert arch in OWN_ARCHS or init_cfg.type == 'PretrainedViT'
            assert extra != 'cae-pre' or cfg.model.backbone.qkv_bias == 'no-key'
            check_pretraining(extra.split('-')[:-1], init_cfg.get('checkpoint', ''))
        elif extra in variants | PARTS:
            assert has_facts(cfg, (variants | PARTS)[extra])
        else:
            assert neck_types(cfg) == NECKS[extra]
    if expected in PRETRAINING:
        for variant in set(variants) - set(extras) - PRETRAINING[expected].SHARED_VARIANTS:
            assert not has_facts(cfg, variants[variant]), variant

    match = TRAINING.fullmatch(training)
    images = int(match['images'])
    accumulated = cfg.optim_wrapper.get('accumulative_counts', 1)
    samples = samples_per_picture(cfg)
    assert cfg.train_dataloader.batch_size * samples * accumulated == images
    assert cfg.auto_scale_lr.base_batch_size == int(match['gpus']) * images
    check_words(match['words'].split('-'), cfg)

    name, _, size = data.partition('-')
    assert f'data/{DATA[name]}' in cfg.train_dataloader.dataset.data_root
    if size:
        sides = [int(side) for side in size.split('x')]
        img_size = cfg.model.backbone.img_size
        assert sides == ([img_size] * 2 if isinstance(img_size, int) else plain(img_size))
    length = int(match['length']) * (1000 if match['unit'] == 'k' else 1)
    total = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.max_iters
    by_epoch = 'max_epochs' in cfg.train_cfg  # a warm-up may count iterations all the same
    schedulers = [s for s in cfg.param_scheduler if s.get('by_epoch', True) == by_epoch]
    # PolyLR, which is at its end in the step before, has one more.
    assert max(s.end - (s.type == 'PolyLR') for s in schedulers) == total
    if match['unit'] == 'e' and not by_epoch:
        total = round(total * cfg.auto_scale_lr.base_batch_size / NUM_IMAGES[name])
    assert total == length
