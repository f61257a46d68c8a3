"""Every recipe gives its encoder the same numbers for the same picture.

The pipelines and the preprocessor of each recipe read a picture from a file. What comes out is
compared with the papers' formula, and, where nothing is random, with torchvision or OpenCV.
"""

import copy
import functools
import json
import re
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import FUNCTIONS, MODELS, DefaultScope
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from tests.configs_suite.painted_files import (
    CHANGES_COLORS,
    open_files,
    without_random_colors,
    write_files,
)
from tests.configs_suite.reading import ALL, EVERY, TOKENIZERS, load, plain
from tests.configs_suite.tiny_models import framework, narrow_targets

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# Red, green and blue far apart, so that no two channels can be confused; and a file of one channel,
# as some of ImageNet's and COCO's are.
COLORS = {'color': (190, 110, 30), 'gray': (90, 90, 90)}
DRAWS = 3
NO_CROP = 'pretrain/mae/ablation/mae_vit-large-p16_no-aug_8xb512-amp-coslr-800e_in1k.py'
TOKEN_TARGETS = [
    path
    for path in ALL
    if (load(path).model.get('target_generator') or {}).get('type') == 'TokenTarget'
]


# ---- by hand


def by_hand(path: str, pixels: Tensor) -> Tensor:
    """What a recipe's encoder is to get for pixels in 0..255, (..., 3, H, W), RGB."""
    values = pixels.double() / 255
    if path.startswith('cifar/'):  # IcarusWizard/MAE: Normalize(0.5, 0.5)
        return (values - 0.5) / 0.5
    if path in TOKENIZERS:
        return for_tokenizer(pixels)
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.double).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], dtype=torch.double).view(3, 1, 1)
    return (values - mean) / std


def for_tokenizer(pixels: Tensor) -> Tensor:
    """DALL-E's map_pixels: (1 - 2 * .1) x + .1 of pixels x in [0, 1]."""
    return 0.8 * pixels.double() / 255 + 0.1


def padding(path: str) -> float | None:
    """Value that the encoder gets outside the picture; None = no recipe of this kind pads."""
    if path.startswith(('detection/', 'segmentation/', 'demo/mask-rcnn', 'demo/upernet')):
        return 0.0
    if 'cifarmini' in path:
        return -1.0  # crops leave the picture by up to 4 pixels
    return None


# ---- what a recipe does


def preprocessor(cfg: Config) -> nn.Module:
    """The preprocessor of a recipe's model."""
    framework(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        if 'data_preprocessor' in cfg.model:
            return MODELS.build(cfg.model.data_preprocessor)
        small = dict(num_codes=8, embed_dims=8, hidden_dims=8)  # a tokenizer brings its own
        return MODELS.build({**cfg.model, **small}).data_preprocessor


def views(cfg: Config, loader: str, samples: list[dict]) -> list[Tensor]:
    """Collate and preprocess samples: a batch for each view, (B, 3, H, W) each."""
    collate = (cfg[loader].get('collate_fn') or dict(type='pseudo_collate'))['type']
    batch = FUNCTIONS.get(collate)(samples)
    inputs = preprocessor(cfg)(batch, training=loader == 'train_dataloader')['inputs']
    return list(inputs) if isinstance(inputs, list | tuple) else [inputs]


def encoder_views(cfg: Config, views: list[Tensor]) -> list[Tensor]:
    """Those views that go to the encoder: the second of CAE's two is the tokenizer's."""
    two = cfg.model.get('data_preprocessor', {}).get('type') == 'TwoNormDataPreprocessor'
    return views[:1] if two else views


@pytest.fixture(scope='module')
def read(tmp_path_factory) -> Callable[..., list[list[Tensor]]]:
    """Read a picture by a recipe; recipes that read in the same way share the work."""
    known: dict[tuple, list[list[Tensor]]] = {}

    def read(
        cfg: Config, loader: str, picture: np.ndarray, draws: int = 1, stride: int = 1
    ) -> list[list[Tensor]]:
        training = loader == 'train_dataloader'
        way = json.dumps(
            [training, plain(cfg[loader].dataset), plain(cfg.model.get('data_preprocessor'))],
            sort_keys=True,
        )
        key = (way, cfg.model.type, picture.tobytes(), picture.shape, draws, stride)
        if key not in known:
            root = tmp_path_factory.mktemp('data')
            write_files(cfg[loader].dataset, root, [picture], [corner(cfg, picture)])
            data = open_files(cfg, cfg[loader].dataset, root)
            drawn = [views(cfg, loader, [data[0]]) for _ in range(draws)]
            known[key] = [[v[..., ::stride, ::stride].clone() for v in item] for item in drawn]
        return known[key]

    return read


def corner(cfg: Config, picture: np.ndarray) -> dict:
    """An object for data sets that leave out pictures without one: a quarter of the picture."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    return dict(
        category='zero' if 'demo' in cfg.train_dataloader.dataset.data_root else 'person',
        bbox=[0, 0, width, height],
        segmentation=[[0, 0, width, 0, width, height, 0, height]],
    )


def flat_picture(path: str, color: tuple[int, int, int]) -> np.ndarray:
    """A picture of one color; of one channel where the color is a gray."""
    height, width = (32, 32) if path.startswith('cifar/') else (60, 80)
    if len(set(color)) == 1:
        return np.full((height, width), color[0], np.uint8)
    return np.broadcast_to(np.array(color, np.uint8), (height, width, 3)).copy()


# ---- one color


@pytest.mark.parametrize('path', EVERY)
def test_color__is_the_same_numbers_to_every_encoder(path, read):
    """A picture of one color stays that color through crops, flips and sizes; RGB, normalized."""
    cfg = load(path)
    beside = padding(path)
    for loader in [loader for loader in LOADERS if loader in cfg]:
        dataset = cfg[loader].dataset
        dataset.pipeline = without_random_colors(dataset.pipeline)
        for color in COLORS.values():
            expected = by_hand(path, torch.tensor(color).view(3, 1, 1)).float()
            draws = DRAWS if loader == 'train_dataloader' else 1
            for drawn in read(cfg, loader, flat_picture(path, color), draws, stride=3):
                for view in encoder_views(cfg, drawn):
                    assert view.dtype == torch.float32 and view.shape[1] == 3
                    error = (view - expected).abs().amax(1)  # (B, H, W)
                    if beside is not None:
                        assert (error < 1e-5).float().mean() > 0.005  # the picture is there
                        error = error.minimum((view - beside).abs().amax(1))
                    assert error.max() < 1e-5, (loader, color)


@pytest.mark.parametrize('path', TOKEN_TARGETS)
def test_color__is_the_same_numbers_to_every_tokenizer(path, read, tmp_path):
    """What the frozen tokenizer is called with: pixels mapped to .1 to .9, RGB."""
    cfg = load(path)
    pixels = torch.tensor(COLORS['color']).view(3, 1, 1)
    seen = []
    for drawn in read(cfg, 'train_dataloader', flat_picture(path, COLORS['color']), DRAWS):
        narrow_targets(cfg.model)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            target = MODELS.build(copy.deepcopy(cfg.model.target_generator))
        hook = target.tokenizer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        target(drawn[-1])
        hook.remove()
    assert len(seen) == DRAWS
    side = 32 if path.startswith('demo/') else 112  # codes of 4 and of 8 pixels: one a patch
    for images in seen:
        assert images.shape == (1, 3, side, side)
        expected = for_tokenizer(pixels).expand(3, side, side)
        torch.testing.assert_close(images[0].double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    'path',
    [
        path
        for path in EVERY
        if any(map(CHANGES_COLORS.search, map(str, load(path).train_pipeline)))
    ],
)
def test_random_colors__keep_the_order_of_the_channels(path, read):
    """With all transforms, the median of a middle pixel is close to the picture's color, RGB."""
    cfg, color = load(path), COLORS['color']
    picture = flat_picture(path, color)
    middles = []
    for drawn in read(cfg, 'train_dataloader', picture, 40):
        (view,) = encoder_views(cfg, drawn)
        height, width = view.shape[-2:]
        middles.append(view[0, :, height // 3, width // 3])
    middle = torch.stack(middles).median(0).values
    expected = by_hand(path, torch.tensor(color).view(3, 1, 1)).flatten().float()
    torch.testing.assert_close(middle, expected, rtol=0, atol=0.6)  # levels of 58: 35


# ---- every pixel


def torchvision(
    short: int, crop: int, mode: InterpolationMode = InterpolationMode.BICUBIC
) -> Callable[[np.ndarray], np.ndarray]:
    """The evaluation transform of MAE's code, up to the normalization."""
    steps = Compose([Resize(short, mode), CenterCrop(crop)])
    return lambda pixels: np.asarray(steps(Image.fromarray(pixels)))


def opencv(width: int, height: int, mode: int = cv2.INTER_LINEAR) -> Callable:
    return lambda pixels: cv2.resize(pixels, (width, height), interpolation=mode)


def pillow(width: int, height: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: np.asarray(
        Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    )


# How recipes are to resize and crop: width and height of a picture, and the peer.
EVALUATIONS = {
    'cifar': ((32, 32), lambda pixels: pixels),
    'demo': ((80, 60), opencv(64, 48)),
    'demo-tokenizer': ((80, 60), opencv(32, 32, cv2.INTER_AREA)),
    'tokenizer': ((403, 300), torchvision(128, 112, InterpolationMode.LANCZOS)),
    'classification': ((403, 300), torchvision(256, 224)),
    'classification-448': ((700, 500), torchvision(448, 448)),  # MAE crops only up to 224
    'detection': ((1600, 1200), pillow(1024, 768)),  # Detectron2 resizes with Pillow
    'detection-ms': ((1600, 1200), opencv(1067, 800)),  # MMDetection with OpenCV
    'segmentation': ((1200, 900), opencv(683, 512)),
}


def evaluation(path: str) -> str:
    """The entry of ``EVALUATIONS`` that a recipe is to follow."""
    folder = path.split('/')[0]
    if path in TOKENIZERS:
        return 'demo-tokenizer' if folder == 'demo' else 'tokenizer'
    if folder == 'pretrain':
        return 'classification'
    variant = re.search('-ms-|-448', path)
    return folder + variant[0].rstrip('-') if variant else folder


@functools.cache
def shown(kind: str) -> tuple[np.ndarray, Tensor]:
    """A picture, and what an encoder is to get of it, (3, H, W)."""
    path = next(path for path in EVERY if evaluation(path) == kind)
    (width, height), transform = EVALUATIONS[kind]
    pixels = smooth_picture(width, height)
    seen = torch.from_numpy(transform(pixels).copy()).permute(2, 0, 1)
    return pixels, by_hand(path, seen).float()


@pytest.mark.parametrize(
    'path, loader',
    [(NO_CROP, 'train_dataloader')]
    + [(path, loader) for path in EVERY for loader in LOADERS[1:] if loader in load(path)],
)
def test_evaluation__shows_every_pixel_as_the_peers_do(path, loader, read):
    """Sizes, interpolation, crop, channels, normalization; beyond the picture zeros."""
    pixels, expected = shown(evaluation(path))
    ((view,),) = read(load(path), loader, pixels)
    height, width = expected.shape[-2:]
    torch.testing.assert_close(view[0, :, :height, :width], expected, rtol=0, atol=1e-5)
    assert not view[0, :, height:].any() and not view[0, :, :, width:].any()


def smooth_picture(width: int, height: int) -> np.ndarray:
    """Colors that differ at each place and in each channel; noise, to see the interpolation."""
    rows = np.linspace(0, 120, height)[:, None]
    columns = np.linspace(0, 80, width)[None]
    noise = np.random.default_rng(0).uniform(0, 50, (height, width, 3))
    plane = np.stack([rows + columns, rows + 80 - columns, 120 - rows + columns], -1)
    return (plane + noise).astype(np.uint8)
