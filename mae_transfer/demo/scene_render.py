"""Renders random scenes of the embedded demo set as arrays.

A scene is a crop of a real photograph with one or two real handwritten digits on it. Each digit
is an object several ViT patches wide, cut out of another photograph and shifted away from the color
below it: neither color nor texture alone distinguishes object from background, and the shape
determines the class. ``scenes`` writes such scenes for pre-training (no labels) and for the tasks
(few labels).

The sources are in packages that are installed anyway: photographs of scikit-image and scikit-learn
(Van der Walt et al., "scikit-image: image processing in Python", 2014) and the 1797 digits of
``sklearn.datasets.load_digits`` (Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits",
1998, 8x8 pixels).

The splits share sources as follows:

* Random streams: one generator per (seed, split, index). A larger set starts with the smaller one,
  whatever the order of rendering or the number of processes. Bytes are equal on one machine;
  another processor or version of OpenCV or NumPy may round differently.
* Digits: in each class the first 60 % of the samples are for pre-training, the next 20 % for
  training, the last 20 % for validation (samples of the same writer are adjacent, so most writers
  in 'val' are new).
* Photographs, for backgrounds and for textures: 'val' sees only the last third of the longer side
  of each; the other splits see only the rest. Pre-training and training share photographs, as
  unlabeled and labeled pictures from one source do.
"""

import importlib.resources
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

CLASSES = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')

# Number = key of the random stream: never reorder. Text = source of digits and photographs.
SPLITS = {
    'pretrain': (0, 'pretrain'),
    'train': (1, 'train'),
    'val': (2, 'val'),
    'classify_train': (3, 'train'),
    'classify_val': (4, 'val'),
}

PHOTOGRAPHS = {
    'skimage.data': (
        'astronaut.png',
        'brick.png',
        'camera.png',
        'chelsea.png',
        'coffee.png',
        'coins.png',
        'grass.png',
        'gravel.png',
        'ihc.png',
        'motorcycle_left.png',
        'rocket.jpg',
    ),
    'sklearn.datasets.images': ('china.jpg', 'flower.jpg'),
}

_LONGEST_SIDE = 640  # px; larger photographs are downscaled to this once
_VAL_SHARE = 1 / 3  # of the longer side of each photograph
_REGION_GAP = 8  # px between the regions, as downscaling mixes neighbors
_FLAT_STD = 14.0  # gray levels; a crop with less is sky or shadow, and is resampled
_CELL = 8  # px of the smooth digit field per pixel of the 8x8 original
_SHADOW_MARGIN = 12  # px around a digit that its shadow may reach
_LEVEL = 0.45  # ink (0 to 1) at the outline
_MAX_TRIES = 12  # to find a crop that is not flat, or a place that leaves earlier objects visible


@dataclass(frozen=True)
class SceneConfig:
    """Appearance of scenes. Equal configs give equal bytes.

    Ranges are inclusive (low, high) pairs; a value is drawn per object or per picture.

    Attributes:
        picture_size: Pixels, an int for squares or (height, width); at least 32.
        object_size: Longer side of the box of an unoccluded digit, pixels; at least 16, at most
            0.75 of the shorter picture side.
        objects_per_picture: Number of digits; fewer if ``min_visible`` leaves no place.
        min_visible: Minimum fraction of an object's pixels left visible by later ones, in (0, 1].
        max_rotation: Degrees to either side, in [0, 30]: a 6 must not become a 9.
        texture_mix: 0 fills a digit with plain color, 1 with the full contrast of a photograph.
        contrast: Difference of a digit's mean color from the color it covers, in the channel that
            differs most, as a fraction of the value range, each in [0, 0.5], which always fits.
        shadow: How much a digit darkens its surroundings, 0 (not at all) to 1.
        edge_width: Width of the soft outline, pixels, > 0 and at most 1/16 of the smallest object.
        background_zoom: Pixels of photograph per pixel of picture, each in [0.05, 100]; limited by
            the size of the photograph.
        color_jitter: Largest relative change of each channel of a photograph, in [0, 1).
        hue_shift: Largest hue rotation of a digit's texture, degrees, in [0, 180].
        lighting: Largest relative change of brightness from the center to the border, in [0, 1).
        noise: Standard deviation of the pixel noise, gray levels of 255, >= 0.
        seed: Root of all random streams, >= 0.

    Raises:
        ValueError: A value is outside its range.
    """

    picture_size: int | tuple[int, int] = 64
    object_size: tuple[float, float] = (28, 48)
    objects_per_picture: tuple[int, int] = (1, 2)
    min_visible: float = 0.6
    max_rotation: float = 15.0
    texture_mix: float = 0.4
    contrast: tuple[float, float] = (0.35, 0.5)
    shadow: float = 0.35
    edge_width: float = 1.2
    background_zoom: tuple[float, float] = (1.5, 3.0)
    color_jitter: float = 0.25
    hue_shift: float = 180.0
    lighting: float = 0.25
    noise: float = 3.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        size = self.picture_size
        _check(
            isinstance(size, int) or len(size) == 2,
            'picture_size',
            size,
            'an int or (height, width)',
        )
        height, width = self.shape
        shorter = min(height, width)
        _check(shorter >= 32, 'picture_size', size, 'at least 32 px on each side')
        _check_range('object_size', self.object_size, 16, 0.75 * shorter)
        _check_range('objects_per_picture', self.objects_per_picture, 1, 16)
        whole = all(number == int(number) for number in self.objects_per_picture)
        _check(whole, 'objects_per_picture', self.objects_per_picture, 'whole numbers')
        _check_range('contrast', self.contrast, 0, 0.5)
        _check_range('background_zoom', self.background_zoom, 0.05, 100)
        _check(0 < self.min_visible <= 1, 'min_visible', self.min_visible, 'in (0, 1]')
        _check(
            0 <= self.max_rotation <= 30, 'max_rotation', self.max_rotation, 'in [0, 30] degrees'
        )
        _check(0 <= self.texture_mix <= 1, 'texture_mix', self.texture_mix, 'in [0, 1]')
        _check(0 <= self.shadow <= 1, 'shadow', self.shadow, 'in [0, 1]')
        widest = self.object_size[0] / 16
        _check(
            0 < self.edge_width <= widest, 'edge_width', self.edge_width, f'in (0, {widest:g}] px'
        )
        _check(0 <= self.color_jitter < 1, 'color_jitter', self.color_jitter, 'in [0, 1)')
        _check(0 <= self.hue_shift <= 180, 'hue_shift', self.hue_shift, 'in [0, 180] degrees')
        _check(0 <= self.lighting < 1, 'lighting', self.lighting, 'in [0, 1)')
        _check(self.noise >= 0, 'noise', self.noise, '>= 0 gray levels')
        _check(self.seed >= 0, 'seed', self.seed, '>= 0')

    @property
    def shape(self) -> tuple[int, int]:
        """Picture size as (height, width), pixels."""
        size = self.picture_size
        return (size, size) if isinstance(size, int) else (size[0], size[1])


@dataclass(frozen=True)
class Scene:
    """A picture with its ground truth; objects are in painting order.

    Attributes:
        image: RGB, (H, W, 3), uint8.
        masks: Visible pixels of each object, (N, H, W), bool; no pixel belongs to two objects.
        full_masks: Pixels of each object before later ones covered it, (N, H, W), bool.
        labels: Digit of each object, (N,), int64 in [0, 9].
        boxes: Tight boxes of the visible pixels, (N, 4), int64, x1, y1, x2, y2 in pixels; x2 and y2
            are exclusive.
        digit_ids: Index of each object in ``load_digits``, (N,), int64 in [0, 1797).
    """

    image: np.ndarray
    masks: np.ndarray
    full_masks: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    digit_ids: np.ndarray

    @property
    def label_map(self) -> np.ndarray:
        """Semantic labels, (H, W), uint8: 0 background, digit + 1 elsewhere."""
        label_map = np.zeros(self.masks.shape[1:], np.uint8)
        for mask, label in zip(self.masks, self.labels, strict=True):
            label_map[mask] = label + 1
        return label_map


def render_scene(config: SceneConfig, split: str, index: int) -> Scene:
    """Render one scene; the same arguments always give the same scene.

    Args:
        config: How scenes look.
        split: A key of ``SPLITS``. The 'classify' splits have one object per picture, whose digit
            is ``index % 10``.
        index: Index of the picture in its split, >= 0.

    Raises:
        ValueError: Unknown split or negative index.
    """
    if split not in SPLITS:
        raise ValueError(f'split={split!r} is unknown; choose one of {", ".join(SPLITS)}')
    _check(index >= 0, 'index', index, '>= 0')
    stream, source = SPLITS[split]
    rng = np.random.default_rng([config.seed, stream, index])
    height, width = config.shape
    if split.startswith('classify'):
        digit_ids, fields = _place_digits(rng, config, source, count=1, only_class=index % 10)
    else:
        low, high = config.objects_per_picture
        digit_ids, fields = _place_digits(
            rng, config, source, count=int(rng.integers(low, high + 1))
        )

    canvas = _photograph_crop(rng, source, height, width, config.background_zoom)
    canvas = np.minimum(canvas * _channel_gains(rng, config.color_jitter), 255)
    for alpha in fields:
        _lay_down(canvas, alpha, rng, config, source)
    _light(canvas, rng, config.lighting)
    if config.noise:
        canvas += config.noise * rng.standard_normal(canvas.shape, dtype=np.float32)
    image = np.clip(canvas + 0.5, 0, 255).astype(np.uint8)

    full_masks = np.stack([alpha >= 0.5 for alpha in fields])
    masks = _visible(full_masks)
    return Scene(
        image=image,
        masks=masks,
        full_masks=full_masks,
        labels=_digit_labels()[digit_ids],
        boxes=np.stack([_tight_box(mask) for mask in masks]),
        digit_ids=digit_ids,
    )


def digit_pool(source: str, label: int) -> np.ndarray:
    """Return the indices into ``load_digits`` of one class for 'pretrain', 'train' or 'val'."""
    ids = np.flatnonzero(_digit_labels() == label)
    first, second = int(0.6 * len(ids)), int(0.8 * len(ids))
    return {'pretrain': ids[:first], 'train': ids[first:second], 'val': ids[second:]}[source]


def photograph_region(shape: tuple[int, int], source: str) -> tuple[slice, slice]:
    """Return the rows and columns of a photograph, (H, W), for 'pretrain', 'train' or 'val'."""
    height, width = shape
    longer = max(height, width)
    border = round(longer * (1 - _VAL_SHARE))
    along = slice(border + _REGION_GAP, longer) if source == 'val' else slice(0, border)
    return (slice(0, height), along) if width >= height else (along, slice(0, width))


# Placing


def _place_digits(
    rng: np.random.Generator,
    config: SceneConfig,
    source: str,
    count: int,
    only_class: int | None = None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Sample digits until ``count`` are placed or no place is found.

    Returns:
        Digit indices (N,) and the opacity of each digit, N arrays (H, W) float32 in [0, 1].
    """
    ids: list[int] = []
    alphas: list[np.ndarray] = []
    for _ in range(count):
        for _ in range(_MAX_TRIES):
            label = int(rng.integers(len(CLASSES))) if only_class is None else only_class
            digit_id = int(rng.choice(digit_pool(source, label)))
            alpha = _digit_alpha(rng, config, digit_id)
            masks = np.stack([*alphas, alpha]) >= 0.5
            visible = _visible(masks).sum((1, 2)) / masks.sum((1, 2))
            if visible.min() >= config.min_visible:
                ids.append(digit_id)
                alphas.append(alpha)
                break
    return np.array(ids, np.int64), alphas


def _digit_alpha(rng: np.random.Generator, config: SceneConfig, digit_id: int) -> np.ndarray:
    """Warp a digit to a random place inside the picture; returns opacity (H, W) in [0, 1]."""
    height, width = config.shape
    field, hull = _digit_field(digit_id)
    angle = np.deg2rad(rng.uniform(-config.max_rotation, config.max_rotation))
    stretch, shear = rng.uniform(0.9, 1.25), rng.uniform(-0.12, 0.12)
    size = rng.uniform(*config.object_size)
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.array([[stretch, shear], [0, 1]])
    extent = np.ptp(hull @ linear.T, axis=0)
    linear *= size / extent.max()
    corners = hull @ linear.T
    low, high = corners.min(0), corners.max(0)
    # Pixel centers are at integers: the outline may range from 0 to side - 1.
    shift = rng.uniform(-low, np.array([width - 1, height - 1]) - high)
    warped = cv2.warpAffine(field, np.column_stack([linear, shift]), (width, height))
    # Across the outline the field rises by about one per original pixel.
    scale = _CELL * np.sqrt(abs(np.linalg.det(linear)))
    return np.clip((warped - _LEVEL) * (scale / config.edge_width) + 0.5, 0, 1)


def _visible(full_masks: np.ndarray) -> np.ndarray:
    """Remove from each mask, (N, H, W), the pixels that later ones cover."""
    masks = full_masks.copy()
    covered = full_masks[-1].copy()
    for i in range(len(masks) - 2, -1, -1):
        masks[i] &= ~covered
        covered |= full_masks[i]
    return masks


def _tight_box(mask: np.ndarray) -> np.ndarray:
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], np.int64)


# Painting; a canvas is float32, (H, W, 3), gray levels 0 to 255


def _lay_down(
    canvas: np.ndarray,
    alpha: np.ndarray,
    rng: np.random.Generator,
    config: SceneConfig,
    source: str,
) -> None:
    """Paint one digit on the canvas, in place: shadow first, then the textured shape."""
    x1, y1, x2, y2 = _tight_box(alpha > 0)
    x1, y1 = max(x1 - _SHADOW_MARGIN, 0), max(y1 - _SHADOW_MARGIN, 0)
    x2, y2 = x2 + _SHADOW_MARGIN, y2 + _SHADOW_MARGIN
    window, alpha = canvas[y1:y2, x1:x2], alpha[y1:y2, x1:x2]
    height, width = alpha.shape
    if config.shadow:
        dx, dy, blur = rng.uniform((-3, -3, 1.5), (3, 3, 4))  # px
        moved = cv2.warpAffine(alpha, np.array([[1, 0, dx], [0, 1, dy]]), (width, height))
        window *= 1 - config.shadow * cv2.GaussianBlur(moved, (0, 0), blur)[..., None]

    alpha = alpha[..., None]
    below = (window * alpha).sum((0, 1)) / alpha.sum()
    color = _other_color(rng, below, config.contrast)
    texture = _photograph_crop(rng, source, height, width, config.background_zoom)
    texture = _turn_hue(texture, rng.uniform(-config.hue_shift, config.hue_shift))
    texture = color + config.texture_mix * (texture - texture.mean((0, 1)))
    window += alpha * (np.clip(texture, 0, 255) - window)


def _other_color(
    rng: np.random.Generator, color: np.ndarray, contrast: tuple[float, float]
) -> np.ndarray:
    """Sample a color whose most different channel is ``contrast`` of the value range away."""
    step = 255 * rng.uniform(*contrast)
    direction = 0.6 * rng.standard_normal(3) + rng.choice([-1.0, 1.0])
    direction *= step / np.abs(direction).max()
    channel = np.abs(direction).argmax()
    if not 0 <= color[channel] + direction[channel] <= 255:
        direction = -direction
    return np.clip(color + direction, 0, 255).astype(np.float32)


def _photograph_crop(
    rng: np.random.Generator, source: str, height: int, width: int, zoom: tuple[float, float]
) -> np.ndarray:
    """Crop (height, width) pixels from a random photograph, with random quarter turns and flips.

    Flat crops (sky, shadow) are resampled, at most ``_MAX_TRIES`` times.
    """
    regions = _photograph_regions(source)
    for _ in range(_MAX_TRIES):
        region = regions[rng.integers(len(regions))]
        quarters, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        h, w = (width, height) if quarters % 2 else (height, width)
        largest = min(region.shape[0] / h, region.shape[1] / w)
        factor = min(rng.uniform(*zoom), largest)
        crop_h, crop_w = max(int(h * factor), 2), max(int(w * factor), 2)
        y = int(rng.integers(region.shape[0] - crop_h + 1))
        x = int(rng.integers(region.shape[1] - crop_w + 1))
        crop = region[y : y + crop_h, x : x + crop_w]
        if crop[::4, ::4, 1].std() >= _FLAT_STD:
            break
    crop = cv2.resize(crop, (w, h), interpolation=cv2.INTER_AREA if factor > 1 else cv2.INTER_CUBIC)
    crop = np.rot90(crop, quarters)
    return np.ascontiguousarray(crop[:, ::-1] if mirrored else crop, dtype=np.float32)


def _channel_gains(rng: np.random.Generator, jitter: float) -> np.ndarray:
    return rng.uniform(1 - jitter, 1 + jitter, size=3).astype(np.float32)


def _turn_hue(image: np.ndarray, degrees: float) -> np.ndarray:
    """Shift the hue by rotating RGB space about its gray axis, which keeps r + g + b."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    same = (1 + 2 * cos) / 3
    to_next, to_last = (1 - cos) / 3 - sin / np.sqrt(3), (1 - cos) / 3 + sin / np.sqrt(3)
    turn = np.array([[same, to_next, to_last], [to_last, same, to_next], [to_next, to_last, same]])
    return image @ turn.T.astype(np.float32)


def _light(canvas: np.ndarray, rng: np.random.Generator, strength: float) -> None:
    """Brighten one side and darken the other, in place."""
    height, width = canvas.shape[:2]
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, strength) / np.sqrt(2)
    x = np.linspace(-np.cos(angle), np.cos(angle), width, dtype=np.float32)
    y = np.linspace(-np.sin(angle), np.sin(angle), height, dtype=np.float32)
    canvas *= 1 + np.float32(slope) * (y[:, None, None] + x[None, :, None])


# Sources, read once per process


@cache
def _photograph_regions(source: str) -> tuple[np.ndarray, ...]:
    """Return the part of each photograph that a split may use, RGB, uint8."""
    photographs = (_read_photograph(*name) for name in photograph_files())
    return tuple(
        np.ascontiguousarray(photo[photograph_region(photo.shape[:2], source)])
        for photo in photographs
    )


def photograph_files() -> list[tuple[str, str]]:
    """List all photographs as (package, file name)."""
    return [(package, name) for package, names in PHOTOGRAPHS.items() for name in names]


@cache
def _read_photograph(package: str, name: str) -> np.ndarray:
    path = Path(str(importlib.resources.files(package) / name))
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(
            f'{path} is missing or unreadable; reinstall {package.split(".")[0]}, which contains it'
        )
    factor = _LONGEST_SIDE / max(image.shape[:2])
    if factor < 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images.astype(np.float32) / 16, digits.target.astype(np.int64)


def _digit_labels() -> np.ndarray:
    return _digits()[1]


@cache
def _digit_field(digit_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute the smooth ink of one digit, and the hull of its outline.

    Returns:
        Field (10 * 8, 10 * 8), float32, about 0 (paper) to 1 (ink): the 8x8 original with a margin
        of one pixel of paper, enlarged 8 times; and the hull of its ink, (K, 2), float64, x and y
        in pixels of the field.
    """
    ink = np.pad(_digits()[0][digit_id], 1)
    side = len(ink) * _CELL
    field = cv2.resize(ink, (side, side), interpolation=cv2.INTER_CUBIC)
    field = cv2.GaussianBlur(field, (0, 0), 0.25 * _CELL)
    ys, xs = np.nonzero(field >= _LEVEL)
    hull = cv2.convexHull(np.stack([xs, ys], 1).astype(np.int32))[:, 0]
    return field, hull.astype(np.float64)


def _check(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ValueError(f'{name}={value!r} is out of range: it must be {rule}')


def _check_range(name: str, value: tuple[float, float], low: float, high: float) -> None:
    holds = len(value) == 2 and low <= value[0] <= value[1] <= high
    _check(holds, name, value, f'(low, high) with {low:g} <= low <= high <= {high:g}')
