"""The recipes of configs/: names tell the truth, numbers are the papers', and each one trains.

The tables are written by hand from the papers and from the code of MAE, Detectron2 and
MMSegmentation, not from the configs.
"""

import ast
import copy
import importlib
import json
import math
import re
from pathlib import Path

import mmengine.optim  # noqa: F401  registers the schedulers
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, DefaultScope
from mmengine.runner import Runner
from PIL import Image

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
ALL = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
FULL = [path for path in ALL if not path.startswith('demo/')]

MAE_800 = 'pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-800e_in1k.py'
MAE_1600 = 'pretrain/mae/mae_vit-base-p16_8xb512-amp-coslr-1600e_in1k.py'
CLASSIFY = 'classification/vit-base-p16_mae-pre_8xb128-amp-coslr-100e_in1k.py'
DETECT = 'detection/mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py'
SEGMENT = 'segmentation/upernet_vit-base-p16_mae-pre_8xb2-amp-160k_ade20k-512x512.py'

# batch, peak lr, betas, weight decay, layer decay, not decayed, drop path
OPTIMIZERS = {
    MAE_800: (4096, 2.4e-3, (0.9, 0.95), 0.05, 1.0, ('1d', 'bias'), 0.0),
    MAE_1600: (4096, 2.4e-3, (0.9, 0.95), 0.05, 1.0, ('1d', 'bias'), 0.0),
    CLASSIFY: (1024, 2e-3, (0.9, 0.999), 0.05, 0.65, ('1d', 'pos_embed', 'cls_token'), 0.1),
    DETECT: (64, 1e-4, (0.9, 0.999), 0.1, 0.7, ('norm', 'pos_embed'), 0.1),
    SEGMENT: (16, 1e-4, (0.9, 0.999), 0.05, 0.65, ('1d', 'bias', 'pos_embed', 'cls_token'), 0.1),
}

# Every other number of a recipe, where the config (or what it inherits) states it.
FACTS = {
    MAE_800: {
        'train_cfg.max_epochs': 800,
        'model.type': 'MaskedAutoencoder',
        'model.mask_ratio': 0.75,
        'model.data_preprocessor.to_rgb': True,
        'model.backbone.img_size': 224,
        'model.backbone.pos_embed': 'sincos_xy',
        'model.neck.pos_order': 'xy',
        'model.neck.encoder_dims': 768,
        'model.neck.grid': (14, 14),
        'model.neck.out_dims': 768,
        'model.neck.embed_dims': 512,
        'model.neck.num_layers': 8,
        'model.neck.num_heads': 16,
        'model.target_generator.norm_pix': True,
        'train_dataloader.drop_last': True,
        'train_pipeline.RandomResizedCrop.scale': 224,
        'train_pipeline.RandomResizedCrop.crop_ratio_range': (0.2, 1.0),
        'train_pipeline.RandomResizedCrop.interpolation': 'bicubic',
        'train_pipeline.RandomResizedCrop.backend': 'pillow',
        'train_pipeline.RandomFlip.prob': 0.5,
    },
    MAE_1600: {'train_cfg.max_epochs': 1600},
    CLASSIFY: {
        'train_cfg.max_epochs': 100,
        'model.backbone.out_type': 'avg',
        'model.backbone.pos_embed': 'learned',
        'model.head.num_classes': 1000,
        'model.head.loss.label_smooth_val': 0.1,
        'model.head.loss.mode': 'original',
        'model.head.init_cfg.type': 'TruncNormal',
        'model.head.init_cfg.std': 2e-5,
        'model.train_cfg.augments.0.type': 'Mixup',
        'model.train_cfg.augments.0.alpha': 0.8,
        'model.train_cfg.augments.1.type': 'CutMix',
        'model.train_cfg.augments.1.alpha': 1.0,
        'train_pipeline.RandomResizedCrop.scale': 224,
        'train_pipeline.RandomResizedCrop.crop_ratio_range': (0.08, 1.0),
        'train_pipeline.RandomResizedCrop.interpolation': 'bicubic',
        'train_pipeline.RandAugment.policies': 'timm_increasing',
        'train_pipeline.RandAugment.num_policies': 2,
        'train_pipeline.RandAugment.magnitude_level': 9,
        'train_pipeline.RandAugment.magnitude_std': 0.5,
        'train_pipeline.RandAugment.hparams.pad_val': [104, 116, 124],
        'train_pipeline.RandAugment.hparams.interpolation': 'bicubic',
        'train_pipeline.RandomErasing.erase_prob': 0.25,
        'train_pipeline.RandomErasing.mode': 'rand',
        'test_pipeline.ResizeEdge.scale': 256,
        'test_pipeline.ResizeEdge.edge': 'short',
        'test_pipeline.ResizeEdge.interpolation': 'bicubic',
        'test_pipeline.CenterCrop.crop_size': 224,
    },
    DETECT: {
        'train_cfg.max_iters': 184375,
        'model.backbone.img_size': 1024,
        'model.backbone.pretrain_img_size': 224,
        'model.backbone.window_size': 14,
        'model.backbone.global_blocks': (2, 5, 8, 11),
        'model.backbone.rel_pos': True,
        'model.backbone.with_cls_token': False,
        'model.backbone.final_norm': False,
        'model.neck.in_channels': 768,
        'model.neck.out_channels': 256,
        'model.neck.num_outs': 5,
        'model.neck.norm_cfg': dict(type='ChannelLN', eps=1e-6),
        'model.data_preprocessor.mean': [123.675, 116.28, 103.53],
        'model.data_preprocessor.std': [58.395, 57.12, 57.375],
        'model.data_preprocessor.bgr_to_rgb': True,
        'model.data_preprocessor.pad_size_divisor': 1024,
        'model.data_preprocessor.pad_value': 0,
        'model.rpn_head.num_convs': 2,
        'model.rpn_head.anchor_generator.strides': [4, 8, 16, 32, 64],
        'model.rpn_head.anchor_generator.scales': [8],
        'model.rpn_head.loss_bbox.type': 'L1Loss',
        'model.roi_head.bbox_head.type': 'Shared4Conv1FCBBoxHead',
        'model.roi_head.bbox_head.conv_out_channels': 256,
        'model.roi_head.bbox_head.fc_out_channels': 1024,
        'model.roi_head.bbox_head.norm_cfg': dict(type='ChannelLN', eps=1e-6),
        'model.roi_head.bbox_head.reg_class_agnostic': False,
        'model.roi_head.bbox_head.loss_bbox.type': 'L1Loss',
        'model.roi_head.mask_head.num_convs': 4,
        'model.roi_head.mask_head.norm_cfg': dict(type='ChannelLN', eps=1e-6),
        'model.train_cfg.rpn.sampler.num': 256,
        'model.train_cfg.rpn_proposal.nms_pre': 2000,
        'model.train_cfg.rpn_proposal.max_per_img': 1000,
        'model.train_cfg.rpn_proposal.nms.iou_threshold': 0.7,
        'model.train_cfg.rcnn.sampler.num': 512,
        'model.train_cfg.rcnn.sampler.pos_fraction': 0.25,
        'model.train_cfg.rcnn.assigner.match_low_quality': False,
        'model.test_cfg.rpn.nms_pre': 1000,
        'model.test_cfg.rpn.max_per_img': 1000,
        'model.test_cfg.rpn.nms.iou_threshold': 0.7,
        'model.test_cfg.rcnn.score_thr': 0.05,
        'model.test_cfg.rcnn.nms.iou_threshold': 0.5,
        'model.test_cfg.rcnn.max_per_img': 100,
        'train_pipeline.RandomResize.scale': (1024, 1024),
        'train_pipeline.RandomResize.ratio_range': (0.1, 2.0),
        'train_pipeline.RandomCrop.crop_size': (1024, 1024),
        'train_pipeline.RandomCrop.crop_type': 'absolute',
        'test_pipeline.Resize.scale': (1024, 1024),
        'test_pipeline.Resize.keep_ratio': True,
        'val_evaluator.type': 'FasterCocoMetric',
        'val_evaluator.metric': ['bbox', 'segm'],
    },
    SEGMENT: {
        'train_cfg.max_iters': 160000,
        'model.backbone.img_size': (512, 512),
        'model.backbone.out_indices': (3, 5, 7, 11),
        'model.backbone.layer_scale_init': 1.0,
        'model.backbone.final_norm': False,
        'model.neck.type': 'RescaledPyramid',
        'model.neck.norm_cfg.type': 'SyncBN',
        'model.data_preprocessor.size': (512, 512),
        'model.decode_head.type': 'UPerHead',
        'model.decode_head.channels': 768,
        'model.decode_head.pool_scales': (1, 2, 3, 6),
        'model.decode_head.dropout_ratio': 0.1,
        'model.decode_head.num_classes': 150,
        'model.decode_head.norm_cfg.type': 'SyncBN',
        'model.decode_head.align_corners': False,
        'model.auxiliary_head.type': 'FCNHead',
        'model.auxiliary_head.in_index': 2,
        'model.auxiliary_head.channels': 256,
        'model.auxiliary_head.num_convs': 1,
        'model.auxiliary_head.num_classes': 150,
        'model.auxiliary_head.loss_decode.loss_weight': 0.4,
        'model.test_cfg': dict(mode='slide', crop_size=(512, 512), stride=(341, 341)),
        'train_pipeline.RandomResize.scale': (2048, 512),
        'train_pipeline.RandomResize.ratio_range': (0.5, 2.0),
        'train_pipeline.RandomCrop.crop_size': (512, 512),
        'train_pipeline.RandomCrop.cat_max_ratio': 0.75,
        'train_pipeline.MapLabels.ignore_labels': [0],
        'train_pipeline.MapLabels.num_classes': 150,
        'test_pipeline.MapLabels.ignore_labels': [0],
        'val_evaluator.iou_metrics': ['mIoU'],
    },
}

# Order of the transforms that draw random numbers.
ORDERS = {
    MAE_800: ['RandomResizedCrop', 'RandomFlip'],
    CLASSIFY: ['RandomResizedCrop', 'RandomFlip', 'RandAugment', 'RandomErasing'],
    DETECT: ['RandomFlip', 'RandomResize', 'RandomCrop'],
    SEGMENT: ['RandomResize', 'RandomCrop', 'RandomFlip', 'PhotoMetricDistortion'],
}


@pytest.fixture(scope='module')
def load():
    """Load configs, each file once; callers get a copy."""
    cache: dict[str, Config] = {}

    def load_one(path: str) -> Config:
        if path not in cache:
            cache[path] = Config.fromfile(CONFIGS / path)
        return copy.deepcopy(cache[path])

    return load_one


def lookup(cfg: Config, key: str) -> object:
    """Value of a dotted key; a transform of a pipeline is named by its type."""
    node = cfg
    for name in key.split('.'):
        if isinstance(node, list | tuple) and name.isdigit():
            node = node[int(name)]
        elif isinstance(node, list | tuple):
            (node,) = (step for step in node if step['type'] == name)
        else:
            node = node[name]
    return node


def plain(value: object) -> object:
    """Tuples and config dicts as lists and dicts, to compare values and not containers."""
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    return value


# ---- every config


def test_tables__cover_every_full_recipe():
    assert set(FULL) == set(OPTIMIZERS) == set(FACTS)


@pytest.mark.parametrize('path', ALL)
def test_config__states_what_must_be_explicit(load, path):
    cfg = load(path)
    for key in ('default_scope', 'custom_imports', 'randomness', 'auto_scale_lr', 'visualizer'):
        assert cfg.get(key), key
    assert cfg.custom_imports.allow_failed_imports is False
    assert 'seed' in cfg.randomness
    assert cfg.optim_wrapper.constructor == 'LayerDecayOptimWrapperConstructor'
    assert 'EncoderMetadataHook' in [hook.type for hook in cfg.custom_hooks]
    backends = {backend.type for backend in cfg.visualizer.vis_backends}
    assert backends == {'LocalVisBackend', 'TensorboardVisBackend'}
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if loader in cfg:
            assert cfg[loader].dataset.data_root.startswith('data/')


@pytest.mark.parametrize('path', ALL)
def test_config__has_a_head_and_at_most_three_base_levels(path):
    def levels(file: Path) -> int:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
                bases = ast.literal_eval(node.value)
                bases = [bases] if isinstance(bases, str) else bases
                return 1 + max(0 if '::' in b else levels(file.parent / b) for b in bases)
        return 0

    assert levels(CONFIGS / path) <= 3
    head = ast.get_docstring(ast.parse((CONFIGS / path).read_text()))
    assert 'tools/' in head and Path(path).name in head
    if path in FULL:
        for word in ('Source:', 'Expected:', 'Cost:'):
            assert word in head
        assert Path(path).stem in (CONFIGS / path).with_name('README.md').read_text()


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


@pytest.mark.parametrize('path', ALL)
def test_file_name__tells_the_truth(load, path):
    check_name(Path(path).stem, load(path))


@pytest.mark.parametrize(
    'wrong',
    [
        'mask-rcnn_vit-large-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco',
        'mask-rcnn_vit-base-p14_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_8xb4-amp-lsj-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_8xb8-amp-lsj-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-lsj-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-50e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-coslr-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_in1k',
        'upernet_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco',
    ],
)
def test_file_name__with_a_lie_is_caught(load, wrong):
    with pytest.raises(AssertionError):
        check_name(wrong, load(DETECT))


# ---- the numbers


@pytest.mark.parametrize('path', FULL)
def test_recipe__has_the_published_optimizer(load, path):
    batch, lr, betas, weight_decay, layer_decay, no_decay, drop_path = OPTIMIZERS[path]
    cfg = load(path)
    optimizer = cfg.optim_wrapper.optimizer
    assert cfg.optim_wrapper.type == 'AutocastOptimWrapper'  # mixed precision is really on
    assert cfg.optim_wrapper.dtype == 'float16'
    assert cfg.optim_wrapper.get('clip_grad') is None
    assert optimizer.type == 'AdamW'
    assert cfg.auto_scale_lr.base_batch_size == batch
    assert optimizer.lr == pytest.approx(lr, rel=1e-12)
    assert tuple(optimizer.betas) == betas
    assert optimizer.weight_decay == weight_decay
    assert cfg.optim_wrapper.paramwise_cfg.get('layer_decay_rate', 1.0) == layer_decay
    assert tuple(cfg.optim_wrapper.paramwise_cfg.no_decay) == no_decay
    assert cfg.model.backbone.get('drop_path_rate', 0.0) == drop_path


@pytest.mark.parametrize(
    ('path', 'key', 'value'), [(path, *fact) for path in FACTS for fact in FACTS[path].items()]
)
def test_recipe__states_the_published_value(load, path, key, value):
    assert plain(lookup(load(path), key)) == plain(value)


@pytest.mark.parametrize('path', ORDERS)
def test_recipe__augments_in_the_published_order(load, path):
    cfg = load(path)
    assert plain(cfg.train_dataloader.dataset.pipeline) == plain(cfg.train_pipeline)
    names = [step.type for step in cfg.train_pipeline]
    assert [name for name in names if name.startswith(('Rand', 'Photo'))] == ORDERS[path]


def test_mae_1600__differs_from_800_in_length_alone(load):
    short, long = plain(load(MAE_800)._cfg_dict), plain(load(MAE_1600)._cfg_dict)
    assert long.pop('max_epochs') == 1600
    long['train_cfg']['max_epochs'] = long['param_scheduler'][1]['end'] = 800
    assert short == long


# ---- the schedules


def warm_up_cosine(warm: float, total: float, lowest: float = 0.0):
    """MAE's lr_sched.py, as a factor of the peak: from 0, half cosine to ``lowest``."""

    def factor(t: float) -> float:
        if t < warm:
            return t / warm
        return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * (t - warm) / (total - warm)))

    return factor


def vitdet(t: float) -> float:
    """Detectron2's WarmupParamScheduler around a MultiStepParamScheduler."""
    if t < 250:
        return 0.001 + 0.999 * t / 250
    return 0.1 ** sum(t >= milestone for milestone in (163889, 177546))


def poly(t: float) -> float:
    """Linear warm-up from 1e-6, then straight to 0."""
    return 1e-6 + (1 - 1e-6) * t / 1500 if t < 1500 else 1 - (t - 1500) / (160000 - 1500)


# Formula, length, end of the warm-up (epochs or iterations), iterations simulated per unit, error
# allowed behind the warm-up (MMEngine's straight lines are one iteration ahead)
CURVES = {
    MAE_800: (warm_up_cosine(40, 800), 800, 40, 2, 1e-9),
    MAE_1600: (warm_up_cosine(40, 1600), 1600, 40, 2, 1e-9),
    CLASSIFY: (warm_up_cosine(5, 100, 1e-6 / 2e-3), 100, 5, 20, 1e-9),
    DETECT: (vitdet, 184375, 250, 1 / 25, 1e-9),
    SEGMENT: (poly, 160000, 1500, 1 / 25, 25 / 158500),
}


def simulate(cfg: Config, per_unit: float) -> list[list[float]]:
    """Learning rate of two groups (the peak, and a layer-decayed .01 of it) in each iteration."""
    lr = cfg.optim_wrapper.optimizer.lr
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr * f) for f in (1, 0.01)]
    optimizer = torch.optim.SGD(groups, lr=lr)
    schedulers = []
    for scheduler in cfg.param_scheduler:
        if per_unit < 1:  # the schedule in iterations, shortened
            for key in ('begin', 'end', 'milestones'):
                if isinstance(value := scheduler.get(key), list):
                    scheduler[key] = [round(item * per_unit) for item in value]
                elif value is not None:
                    scheduler[key] = round(value * per_unit)
        args = dict(optimizer=optimizer)
        if scheduler.by_epoch:
            args['epoch_length'] = per_unit
        schedulers.append(PARAM_SCHEDULERS.build(scheduler, default_args=args))
    rates = []
    for _ in range(max(scheduler.end for scheduler in schedulers)):
        rates.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return rates


@pytest.mark.parametrize('path', CURVES)
def test_learning_rate__follows_the_published_formula(load, path):
    """At the start, in the warm-up, at its end, in the middle and at the end."""
    formula, length, warm, per_unit, error = CURVES[path]
    cfg = load(path)
    peak = OPTIMIZERS[path][1]
    rates = simulate(cfg, per_unit)
    assert len(rates) == length * per_unit
    warm_steps = warm * per_unit
    for t in (0, warm / 2, warm, 0.3 * length, 0.5 * length, 0.95 * length, length - 1 / per_unit):
        step = round(t * per_unit)
        allowed = 1 / warm_steps if step < warm_steps else error
        for rate, base in zip(rates[step], (peak, 0.01 * peak), strict=True):
            assert rate / base == pytest.approx(formula(step / per_unit), abs=allowed)
    assert rates[0][0] <= peak * 1e-3
    assert max(rate[0] for rate in rates) == pytest.approx(peak)


def test_vitdet__decays_at_the_published_iterations(load):
    """Exactly, where the shortened simulation only shows the order of events."""
    step = load(DETECT).param_scheduler[1]
    assert plain(step.milestones) == [163889, 177546]
    assert step.gamma == 0.1
    assert round(8 / 9 * 184375) == 163889
    assert round(26 / 27 * 184375) == 177546


# ---- the models


def framework(cfg: Config) -> None:
    """Register the parts of the config's framework."""
    utils = importlib.import_module(f'{cfg.default_scope}.utils')
    utils.register_all_modules(init_default_scope=False)


def narrow(cfg: Config) -> Config:
    """Keep the recipe's depth and structure; make it 32 wide, its heads 16, for a CPU."""
    model = cfg.model
    model.backbone.arch = dict(embed_dims=32, num_layers=12, num_heads=2, mlp_ratio=2)
    model.backbone.init_cfg = None
    cfg.optim_wrapper.dtype = 'bfloat16'
    if cfg.model.type == 'MaskedAutoencoder':
        model.neck.update(encoder_dims=32, embed_dims=16, num_layers=1, num_heads=2)
    elif cfg.model.type == 'ImageClassifier':
        model.head.in_channels = 32
    elif cfg.model.type == 'MaskRCNN':
        model.neck.update(in_channels=32, out_channels=16)
        model.rpn_head.update(in_channels=16, feat_channels=16)
        model.roi_head.bbox_roi_extractor.out_channels = 16
        model.roi_head.mask_roi_extractor.out_channels = 16
        model.roi_head.bbox_head.update(in_channels=16, conv_out_channels=16, fc_out_channels=16)
        model.roi_head.mask_head.update(in_channels=16, conv_out_channels=16)
        model.train_cfg.rcnn.sampler.num = 32
        model.train_cfg.rpn_proposal.max_per_img = model.test_cfg.rpn.max_per_img = 50
        model.test_cfg.rcnn.score_thr = 0.0
    else:
        model.neck.embed_dims = 32
        model.decode_head.update(in_channels=[32] * 4, channels=16)
        model.auxiliary_head.update(in_channels=32, channels=16)
    return cfg


@pytest.mark.slow
@pytest.mark.parametrize('path', [CLASSIFY, DETECT, SEGMENT])
def test_parameter_groups__one_pair_per_depth(load, path):
    """At most a decayed and an undecayed group for the embeddings, 12 blocks and the rest."""
    _, lr, _, weight_decay, layer_decay, _, _ = OPTIMIZERS[path]
    cfg = narrow(load(path))
    framework(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
        groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    assert len(groups) <= 2 * (12 + 2)
    assert {group['weight_decay'] for group in groups} == {0.0, weight_decay}
    scales = sorted({group['lr'] / lr for group in groups})
    expected = [layer_decay**exponent for exponent in range(13, -1, -1)]
    assert scales == pytest.approx(expected)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sum(len(group['params']) for group in groups) == len(trained)
    names = {name: group for group in groups for name in group['param_names']}
    assert names['backbone.pos_embed']['weight_decay'] == 0.0
    assert names['backbone.patch_embed.proj.weight']['lr'] == pytest.approx(lr * layer_decay**13)
    if path == DETECT:  # as Detectron2: only the torch norms and pos_embed are not decayed
        assert names['neck.projections.0.1.weight']['weight_decay'] == weight_decay
        assert names['backbone.blocks.0.attn.rel_pos_h']['weight_decay'] == weight_decay
        assert names['backbone.blocks.0.attn.qkv.bias']['weight_decay'] == weight_decay
        assert names['backbone.blocks.0.norm1.weight']['weight_decay'] == 0.0


# ---- a whole run


def picture(path: Path, rng: np.random.Generator, size: tuple[int, int] = (80, 60)) -> None:
    """Write a random picture, (width, height) in pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def make_imagenet(root: Path) -> None:
    rng = np.random.default_rng(0)
    (root / 'meta').mkdir(parents=True)
    for split in ('train', 'val'):
        names = [f'n0144000{i}/{i}.JPEG' for i in range(2)]
        for name in names:
            picture(root / split / name, rng)
        lines = [f'{name} {label}' for label, name in enumerate(names)]
        (root / 'meta' / f'{split}.txt').write_text('\n'.join(lines))


def make_coco(root: Path) -> None:
    from mmdet.datasets import CocoDataset

    rng = np.random.default_rng(0)
    names = CocoDataset.METAINFO['classes']
    categories = [dict(id=i, name=name) for i, name in enumerate(names, start=1)]
    for split in ('train2017', 'val2017'):
        images, annotations = [], []
        for i in range(1, 3):
            picture(root / split / f'{i}.jpg', rng)
            images.append(dict(id=i, file_name=f'{i}.jpg', width=80, height=60))
            box = [10, 10, 40, 30]
            corners = [10, 10, 50, 10, 50, 40, 10, 40]
            annotations.append(
                dict(id=i, image_id=i, category_id=1, iscrowd=0, area=1200, bbox=box,
                     segmentation=[corners])
            )  # fmt: skip
        content = dict(images=images, annotations=annotations, categories=categories)
        path = root / 'annotations' / f'instances_{split}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


def make_ade(root: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ('training', 'validation'):
        for i in range(2):
            picture(root / 'images' / split / f'{i}.jpg', rng)
            mask = np.zeros((60, 80), np.uint8)
            mask[20:, :40], mask[20:, 40:] = 1, 150
            path = root / 'annotations' / split / f'{i}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)


# How to make the data, and the factor by which all sizes in pixels shrink.
RUNS = {
    MAE_800: (make_imagenet, 7),
    CLASSIFY: (make_imagenet, 7),
    DETECT: (make_coco, 16),
    SEGMENT: (make_ade, 8),
}
PIXEL_KEYS = (
    *('scale', 'crop_size', 'stride', 'size'),
    *('img_size', 'pretrain_img_size', 'pad_size_divisor'),
)


def divide_sizes(node: object, factor: int) -> None:
    """Divide every size in pixels of a config by ``factor``, in place."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in list(items):
        if key in PIXEL_KEYS and isinstance(child, int):
            node[key] = child // factor
        elif key in PIXEL_KEYS and isinstance(child, list | tuple):
            node[key] = tuple(side // factor for side in child)
        elif isinstance(child, dict | list):
            divide_sizes(child, factor)


@pytest.mark.parametrize('path', RUNS)
def test_pipeline__makes_what_the_model_takes(load, path, tmp_path):
    """The data sets of the recipe at their full size, on two pictures."""
    from mmengine.registry import DATASETS

    make_data, _ = RUNS[path]
    make_data(tmp_path)
    cfg = load(path)
    framework(cfg)
    loaders = [key for key in ('train_dataloader', 'val_dataloader') if key in cfg]
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for key in loaders:
            dataset = cfg[key].dataset
            dataset.data_root = str(tmp_path)
            np.random.seed(0)
            sample = DATASETS.build(dataset)[0]
            inputs = sample['inputs'][0] if isinstance(sample['inputs'], list) else sample['inputs']
            assert inputs.dtype == torch.uint8
            if path in (MAE_800, CLASSIFY):
                assert inputs.shape == (3, 224, 224)
            elif path == SEGMENT:
                labels = sample['data_samples'].gt_sem_seg.data.unique().tolist()
                assert set(labels) <= {0, 149, 255}  # values 1, 150, 0 of the file
                assert max(inputs.shape[-2:]) <= (512 if key == 'train_dataloader' else 683)
            elif key == 'val_dataloader':
                assert inputs.shape == (3, 768, 1024)
            else:
                assert max(inputs.shape[-2:]) <= 1024


@pytest.mark.slow
@pytest.mark.parametrize('path', RUNS)
def test_recipe__trains_and_evaluates(load, path, tmp_path):
    """One epoch or iteration of the whole recipe, narrow and small: loss, metrics, checkpoint."""
    make_data, factor = RUNS[path]
    make_data(tmp_path / 'data')
    cfg = narrow(load(path))
    framework(cfg)
    for part in ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader'):
        if part in cfg:
            divide_sizes(cfg[part], factor)
    if path == MAE_800:
        cfg.model.neck.grid = (2, 2)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if key in cfg:
            cfg[key].update(batch_size=2, num_workers=0, persistent_workers=False)
            cfg[key].dataset.data_root = str(tmp_path / 'data')
    if path == DETECT:
        for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
            evaluator.ann_file = str(tmp_path / 'data/annotations/instances_val2017.json')
    length = 'max_epochs' if 'max_epochs' in cfg.train_cfg else 'max_iters'
    cfg.train_cfg[length] = 1
    cfg.default_hooks.logger.interval = 1
    cfg.work_dir = str(tmp_path / 'run')
    cfg.experiment_name = f'recipe-{Path(path).stem}'

    runner = Runner.from_cfg(cfg)
    runner.train()

    loss = runner.message_hub.get_scalar('train/loss').current()
    assert math.isfinite(loss) and loss > 0
    metrics = {
        CLASSIFY: ['val/accuracy/top1'],
        DETECT: ['val/coco/bbox_mAP', 'val/coco/segm_mAP'],
        SEGMENT: ['val/mIoU'],
    }
    for metric in metrics.get(path, []):
        assert metric in runner.message_hub.log_scalars
    (checkpoint,) = Path(cfg.work_dir).glob('[ei]*_1.pth')
    meta = torch.load(checkpoint, weights_only=False)['meta']
    assert meta['mae_transfer']['num_heads'] == 2
    assert list(Path(cfg.work_dir).rglob('events.out.tfevents.*'))
