"""Classification: what the protocols train, how they start, and that names do not lie about it."""

import copy
import random
import re
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import timm
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, TRANSFORMS, DefaultScope
from mmengine.runner import Runner
from PIL import Image
from timm.data.auto_augment import RandAugment
from torchvision.transforms import CenterCrop, InterpolationMode, Resize
from torchvision.transforms import functional as tv

from mae_transfer.backbones import PlainViT
from mae_transfer.data.data_block import apply_data_block
from mae_transfer.optim import MAELARS
from tests.configs_suite.file_names import check_name
from tests.configs_suite.reading import CONFIGS, cfg_options, load, plain
from tests.configs_suite.tables.classification import (
    ATTENTIVE,
    CAE_ATTENTIVE,
    CAE_BASE,
    CAE_JITTER,
    CAE_LINEAR,
    CLASSIFY,
    LINEAR,
    MAE_HUGE_448,
    PARTIAL,
    PARTIAL_MLP,
    SCRATCH_BASE,
)
from tests.configs_suite.tiny_data import make_class_folders
from tests.configs_suite.tiny_models import build_model, framework, prepare_run, shrink
from tests.references.checkpoint_files import own_checkpoint


def build(path: str, **backbone) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Build a recipe, small, and its optimizer."""
    cfg = load(path)
    cfg.model.backbone.update(backbone)
    init_cfg = cfg.model.backbone.get('init_cfg')
    cfg = shrink(cfg)
    if 'checkpoint' in backbone.get('init_cfg', {}):
        cfg.model.backbone.init_cfg = init_cfg
    model = build_model(cfg)
    model.init_weights()
    return model, build_optim_wrapper(model, cfg.optim_wrapper).optimizer


@pytest.mark.parametrize(
    ('path', 'wrong'),
    [
        (LINEAR, LINEAR.replace('-linear', '')),
        (LINEAR, LINEAR.replace('linear', 'attentive')),
        (LINEAR, LINEAR.replace('mae-pre', 'cae-pre')),
        (LINEAR, LINEAR.replace('in1k', 'cifar10')),
        (CAE_ATTENTIVE, CAE_ATTENTIVE.replace('attentive', 'linear')),
        (PARTIAL, PARTIAL.replace('-partial', '')),
        (PARTIAL, PARTIAL_MLP),
        (PARTIAL_MLP, PARTIAL),
        (SCRATCH_BASE, SCRATCH_BASE.replace('-ema', '')),
        (SCRATCH_BASE, SCRATCH_BASE.replace('32xb128', 'mae-pre_32xb128')),
        (CLASSIFY, CLASSIFY.replace('amp-', 'amp-ema-')),
    ],
)
def test_file_name__with_a_lie_about_the_protocol_is_caught(path, wrong):
    with pytest.raises((AssertionError, AttributeError)):
        check_name(Path(wrong).stem, load(path))


@pytest.mark.parametrize(
    ('path', 'parts'),
    [
        (LINEAR, {'head'}),
        (CAE_LINEAR, {'head'}),
        (CAE_ATTENTIVE, {'neck', 'head'}),
        (PARTIAL, {'backbone', 'head'}),
    ],
)
def test_protocol__optimizes_what_it_trains_and_nothing_else(path, parts):
    model, optimizer = build(path)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimized = {
        names[id(parameter)].partition('.')[0]
        for group in optimizer.param_groups
        for parameter in group['params']
    }
    assert optimized == parts
    assert isinstance(optimizer, MAELARS) == ('linear' in path)


def test_cae__decays_its_tables_and_trains_no_absolute_positions():
    """As in CAE's code: tables are 2-D, so decayed, at their block's rate; positions are fixed."""
    _, optimizer = build(CAE_BASE)
    groups = {name: group for group in optimizer.param_groups for name in group['param_names']}
    table = groups['backbone.blocks.0.attn.relative_position_bias_table']
    assert table['weight_decay'] == 0.05
    assert table['lr'] == pytest.approx(8e-3 * 0.65**12)
    for name in ('backbone.cls_token', 'backbone.blocks.0.attn.q_bias', 'backbone.fc_norm.weight'):
        assert groups[name]['weight_decay'] == 0.0
    assert 'backbone.pos_embed' not in groups


@pytest.mark.parametrize('path', [CLASSIFY, CAE_BASE])
def test_fc_norm__starts_fresh_for_mae_and_from_the_final_norm_for_cae(path, tmp_path):
    cfg = shrink(load(path))
    keys = ('arch', 'img_size', 'patch_size', 'pos_embed', 'qkv_bias', 'layer_scale_init')
    encoder = PlainViT(
        **{key: cfg.model.backbone[key] for key in keys if key in cfg.model.backbone}
    )
    torch.nn.init.normal_(encoder.norm.weight)
    torch.save(own_checkpoint(encoder.state_dict()), tmp_path / 'encoder.pth')
    init_cfg = dict(load(path).model.backbone.init_cfg)
    init_cfg['checkpoint'] = str(tmp_path / 'encoder.pth')
    model, _ = build(path, init_cfg=init_cfg)
    expected = encoder.norm.weight if path == CAE_BASE else torch.ones(32)
    torch.testing.assert_close(model.backbone.fc_norm.weight, expected)
    torch.testing.assert_close(model.backbone.blocks[3].norm1.weight, torch.ones(32))
    torch.testing.assert_close(model.backbone.cls_token, encoder.cls_token)


@pytest.mark.parametrize('k', [0, 0.5, 1, 2, 4, 6, 12, 18, 24])
def test_partial_fine_tuning__takes_k_from_the_command_line(k):
    cfg = load(PARTIAL)
    cfg.merge_from_dict(cfg_options(f'model.backbone.trainable_blocks={k}'))
    model, _ = build(PARTIAL, trainable_blocks=cfg.model.backbone.trainable_blocks)
    trained = {
        name.split('.')[2]
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and '.blocks.' in name
    }
    assert len(trained) == (1 if k == 0.5 else k)


# ---- crops and sizes, against torchvision's, which the released code uses


def build_step(path: str, name: str, **changes: object) -> object:
    """Build one transform of a recipe's training pipeline."""
    cfg = load(path)
    framework(cfg)
    (step,) = (step for step in cfg.train_pipeline if step.type == name)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return TRANSFORMS.build(dict(copy.deepcopy(step), **changes))


def picture(height: int, width: int) -> tuple[np.ndarray, Image.Image]:
    """The same picture as pipelines have it, blue first, and as Pillow has it."""
    bgr = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return bgr, Image.fromarray(np.ascontiguousarray(bgr[..., ::-1]))


@pytest.mark.parametrize('shape', [(333, 500), (500, 333), (480, 481)])
@pytest.mark.parametrize(
    ('path', 'short', 'side'),
    [
        *((path, 256, 224) for path in (CLASSIFY, CAE_BASE, LINEAR, CAE_ATTENTIVE)),
        (MAE_HUGE_448, 448, 448),
    ],
)
def test_test_pipeline__resizes_and_crops_bit_by_bit(path, short, side, shape):
    bgr, image = picture(*shape)
    expected = CenterCrop(side)(Resize(short, InterpolationMode.BICUBIC)(image))
    cfg = load(path)
    framework(cfg)
    results = dict(img=bgr)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for step in cfg.test_pipeline[1:-1]:
            results = TRANSFORMS.build(step)(results)
    np.testing.assert_array_equal(results['img'][..., ::-1], np.asarray(expected))


@pytest.mark.parametrize(('path', 'side'), [(CLASSIFY, 224), (MAE_HUGE_448, 448), (ATTENTIVE, 224)])
def test_random_resized_crop__draws_and_resizes_as_the_released_code(path, side):
    """The same box is resized bit by bit; boxes have the area and the aspect of timm's."""
    crop = build_step(path, 'RandomResizedCrop')
    bgr, image = picture(120, 200)
    np.random.seed(0)
    random.seed(0)
    drawn = [crop.rand_crop_params(bgr) for _ in range(3000)]
    scale, ratio = (0.08, 1.0), (3 / 4, 4 / 3)
    draw_box = timm.data.transforms.RandomResizedCropAndInterpolation.get_params
    theirs = np.array([draw_box(image, scale, ratio) for _ in range(3000)])
    error = 5 * theirs.std(0) * (2 / 3000) ** 0.5
    assert (abs(np.mean(drawn, axis=0) - theirs.mean(0)) < error).all()
    np.testing.assert_allclose(np.std(drawn, axis=0), theirs.std(0), rtol=0.1)
    crop.rand_crop_params = lambda img: (7, 30, 90, 111)
    expected = tv.resized_crop(image, 7, 30, 90, 111, [side, side], InterpolationMode.BICUBIC)
    found = crop(dict(img=bgr))['img']
    np.testing.assert_array_equal(found[..., ::-1], np.asarray(expected))


@pytest.mark.filterwarnings('ignore')  # MMCV warns that Pillow ignores all arguments but alpha
@pytest.mark.parametrize('order', [(0, 1, 2), (2, 0, 1)])
def test_color_jitter__changes_a_picture_as_torchvisions(order):
    """Brightness 0, contrast 1, saturation 2, each by .6 to 1.4, in a random order."""
    jitter = build_step(CAE_JITTER, 'ColorJitter')
    bgr, expected = picture(30, 50)
    factors = (1.3, 0.7, 0.8)
    jitter._rand_params = lambda: ((*order, 3), *factors, None)
    for i in order:
        change = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation)[i]
        expected = change(expected, factors[i])
    np.testing.assert_array_equal(jitter(dict(img=bgr))['img'][..., ::-1], np.asarray(expected))
    assert jitter.brightness == jitter.contrast == jitter.saturation == (0.6, 1.4)
    assert jitter.hue is None


# ---- augmentation, against timm's


def timms_rand_augment(size: int) -> RandAugment:
    """What build_transform of MAE's code, util/datasets.py, makes with its default arguments."""
    transform = timm.data.create_transform(
        input_size=size,
        is_training=True,
        color_jitter=None,
        auto_augment='rand-m9-mstd0.5-inc1',
        interpolation='bicubic',
        re_prob=0.25,
        re_mode='pixel',
        re_count=1,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    (augment,) = (step for step in transform.transforms if isinstance(step, RandAugment))
    return augment


@pytest.mark.parametrize(('path', 'size'), [(CLASSIFY, 224), (CAE_BASE, 224), (MAE_HUGE_448, 448)])
def test_rand_augment__has_timms_operations_magnitudes_and_fill(path, size):
    """The crop size would matter for translations in pixels only; there are none."""
    ours, theirs = build_step(path, 'TimmRandAugment').augment, timms_rand_augment(size)
    assert ours.num_layers == theirs.num_layers == 2
    assert ours.choice_weights is theirs.choice_weights is None
    assert len(ours.ops) == 15
    for our, their in zip(ours.ops, theirs.ops, strict=True):
        assert our.name == their.name and our.name not in ('TranslateX', 'TranslateY')
        assert our.prob == their.prob == 0.5
        assert our.magnitude == their.magnitude == 9
        assert our.magnitude_std == their.magnitude_std == 0.5
        assert our.magnitude_max is their.magnitude_max is None
        expected = dict(fillcolor=(124, 116, 104), resample=Image.Resampling.BICUBIC)
        assert our.kwargs == their.kwargs == expected
        assert our.level_fn is their.level_fn


@pytest.mark.parametrize('path', [CLASSIFY, CAE_BASE])
def test_mixing__each_batch_is_mixed_by_one_of_two_with_the_same_chance(path):
    """Mixup .8 and CutMix 1.0 of MAE's and CAE's scripts; probs None = equal chances."""
    model, _ = build(path)
    mixing = model.data_preprocessor.batch_augments
    found = {type(augment).__name__: augment.alpha for augment in mixing.augments}
    assert found == {'FlippedMixup': 0.8, 'FlippedCutMix': 1.0}
    assert mixing.probs is None


def erased_moments(mean: float, std: float) -> tuple[float, float]:
    """Mean and standard deviation of noise cut to an integer, downwards, and to 0 ... 255.

    P(0) = Phi(1), P(255) = 1 - Phi(255), P(k) = Phi(k + 1) - Phi(k), with Phi of N(mean, std).
    """
    below = [0.0, *(NormalDist(mean, std).cdf(k) for k in range(1, 256)), 1.0]
    shares = np.diff(below)
    first = sum(k * share for k, share in enumerate(shares))
    return first, sum((k - first) ** 2 * share for k, share in enumerate(shares)) ** 0.5


def test_random_erasing__fills_with_the_noise_of_its_channel():
    """Each channel by its own mean and deviation; after normalization close to 0 and 1.

    Not exactly: values are clipped to 0..255. timm fills with N(0, 1) after normalization.
    """
    erase = build_step(CLASSIFY, 'RandomErasing', erase_prob=1.0)
    model = load(CLASSIFY).model
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        preprocess = MODELS.build(model.data_preprocessor)
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std  # red, green, blue
    expected = np.array([erased_moments(m, s) for m, s in zip(mean, std, strict=True)])
    np.random.seed(0)
    boxes, pixels, values = [], [], []
    draw_box = erase.random_patch
    erase.random_patch = lambda h, w: boxes.append(draw_box(h, w)) or boxes[-1]
    for _ in range(40):
        img = erase(dict(img=np.zeros((200, 300, 3), np.uint8)))['img']
        top, left, h, w = boxes[-1]
        inputs = torch.from_numpy(img.transpose(2, 0, 1).copy())
        seen = preprocess(dict(inputs=[inputs]))['inputs'][0, :, top : top + h, left : left + w]
        pixels.append(img[top : top + h, left : left + w].reshape(-1, 3))
        values.append(seen.flatten(1).numpy().T)
        img[top : top + h, left : left + w] = 0
        assert not img.any()
    pixels, values = np.concatenate(pixels), np.concatenate(values)
    error = 5 / len(pixels) ** 0.5  # of a mean, in standard deviations
    np.testing.assert_allclose(pixels.mean(0)[::-1], expected[:, 0], atol=error * 58)
    np.testing.assert_allclose(pixels.std(0)[::-1], expected[:, 1], atol=error * 58)
    np.testing.assert_allclose(values.mean(0), (expected[:, 0] - mean) / std, atol=error)
    np.testing.assert_allclose(values.std(0), expected[:, 1] / std, atol=error)
    np.testing.assert_allclose(values.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(values.std(0), 1, atol=0.05)


def test_random_erasing__takes_the_published_share_of_one_picture_in_four():
    """An area of 2 % to a third, before it is rounded to pixels and cut at the border."""
    erase = build_step(CLASSIFY, 'RandomErasing')
    np.random.seed(0)
    for _ in range(500):
        _, _, height, width = erase.random_patch(224, 224)
        rounding = (height + width) / 2 + 0.25
        cut = 224 in (height, width)
        assert height * width <= 224 * 224 / 3 + rounding
        assert cut or height * width >= 0.02 * 224 * 224 - rounding
        assert (
            cut or 0.3 <= (height + 0.5) / (width - 0.5) and (height - 0.5) / (width + 0.5) <= 3.4
        )
    erased = sum(not erase.random_disable() for _ in range(4000))
    assert abs(erased / 4000 - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5


# ---- other data sets: the page's command


def options_of_page() -> list[str]:
    """The options of the page's command for folders of classes."""
    page = (CONFIGS / 'classification/README.md').read_text()
    command = re.search(r'data\.root=FOLDER.*?(?=\n\n)', page, re.S)[0]
    return re.findall(r'[\w.]+=\S+', command.replace('\\\n', ' '))


@pytest.mark.parametrize(
    ('path', 'lr'),
    [
        (CLASSIFY, 5e-4 * 1024 / 256),
        (CAE_BASE, 8e-3 * 1024 / 4096),
        (LINEAR, 0.1 * 1024 / 256),
        (CAE_LINEAR, 0.1 * 1024 / 256),
        (ATTENTIVE, 0.4 * 1024 / 8192),
        (CAE_ATTENTIVE, 0.4 * 1024 / 8192),
    ],
)
def test_other_data__by_the_command_of_the_page(path, lr, tmp_path):
    """8 GPUs x 128 images of any folders; classes are counted, the rate follows the batch."""
    make_class_folders(tmp_path)
    cfg, recipe = load(path), load(path)
    options = cfg_options(*options_of_page())
    assert {'data.root', 'train_dataloader.batch_size'} < set(options)
    options['data.root'] = str(tmp_path)
    cfg.merge_from_dict(options)
    lines = apply_data_block(cfg, options)

    assert any('2 classes from the folders' in line for line in lines)
    assert cfg.model.head.num_classes == cfg.model.data_preprocessor.num_classes == 2
    for stage, folder in (('train', 'train'), ('val', 'val'), ('test', 'val')):
        dataset = cfg[f'{stage}_dataloader'].dataset
        assert plain(dataset) == dict(
            type='CustomDataset',
            data_root=str(tmp_path),
            data_prefix=folder,
            with_label=True,
            pipeline=plain(recipe[f'{stage}_dataloader'].dataset.pipeline),
        )
    assert cfg.train_dataloader.batch_size == 128
    scaled = cfg.optim_wrapper.optimizer.lr * 8 * 128 / cfg.auto_scale_lr.base_batch_size
    assert scaled == pytest.approx(lr)


@pytest.mark.slow
def test_other_data__trains_from_folders(tmp_path):
    """The command's options, small: an epoch of two pictures of two classes."""
    make_class_folders(tmp_path / 'data')
    cfg = shrink(load(CAE_LINEAR))
    cfg.merge_from_dict(cfg_options(*options_of_page()))
    cfg.data.root = str(tmp_path / 'data')
    apply_data_block(cfg)
    cfg = prepare_run(cfg, tmp_path / 'data', tmp_path / 'run')
    cfg.train_cfg.max_epochs = 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.model.head.fc.out_features == 2
    assert 0 <= runner.message_hub.get_scalar('val/accuracy/top1').current() <= 100
