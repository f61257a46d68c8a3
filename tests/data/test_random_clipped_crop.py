import numpy as np
import pytest
from PIL import Image

from mae_transfer.data.random_clipped_crop import RandomClippedCrop

STEP = np.arange(40, dtype=np.uint8)[:, None, None] + np.zeros((40, 100, 3), np.uint8)


def draw(monkeypatch, uniform: list[float], integers: list[int]) -> tuple[tuple, list]:
    """The crop of a 40 x 100 image when these numbers are drawn, and the integers' bounds."""
    uniform, integers = iter(uniform), iter(integers)
    bounds = []

    def randint(low: int, high: int) -> int:
        bounds.append((low, high))
        return next(integers)

    monkeypatch.setattr(np.random, 'uniform', lambda low, high: next(uniform))
    monkeypatch.setattr(np.random, 'randint', randint)
    crop = RandomClippedCrop(16)
    return crop.draw_crop(40, 100), bounds


def test_random_clipped_crop__is_cut_to_the_image_by_hand(monkeypatch):
    """Area .5 * 4000 = 2000, square: side 44.7 -> 45, cut to 40 rows; 56 places across, 1 down."""
    crop, bounds = draw(monkeypatch, [0.5, 0.0], [0, 50])
    assert crop == (0, 50, 40, 45)
    assert bounds == [(0, 1), (0, 56)]


def test_random_clipped_crop__aspect_is_width_over_height(monkeypatch):
    """Area .18 * 4000 = 720, aspect e^log(5/4): 24 rows, 30 columns."""
    crop, bounds = draw(monkeypatch, [0.18, np.log(5 / 4)], [3, 7])
    assert crop == (3, 7, 24, 30)
    assert bounds == [(0, 17), (0, 71)]


def test_random_clipped_crop__draws_once_and_stays_inside():
    """A flat image: most crops are as high as it, where PyTorch's would be drawn again."""
    crop = RandomClippedCrop(16)
    rows = []
    for _ in range(300):
        top, left, height, width = crop.draw_crop(20, 200)
        assert 0 <= top <= 20 - height and 0 <= left <= 200 - width and height > 0 and width > 0
        rows.append(height)
    assert np.mean(np.array(rows) == 20) > 0.9


def test_random_clipped_crop__resizes_what_it_cut(monkeypatch):
    crop = RandomClippedCrop(16)
    monkeypatch.setattr(crop, 'draw_crop', lambda height, width: (8, 10, 16, 16))
    results = crop(dict(img=STEP.copy()))
    np.testing.assert_array_equal(results['img'], STEP[8:24, 10:26])
    assert results['img_shape'] == (16, 16)


@pytest.mark.parametrize(
    'wrong', [dict(scale=0), dict(crop_ratio_range=(0.5, 0.1)), dict(aspect_ratio_range=(0, 1))]
)
def test_random_clipped_crop__wrong_numbers_are_errors(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        RandomClippedCrop(**{'scale': 16, **wrong})


@pytest.mark.parametrize('name', ['bicubic', 'bilinear', 'lanczos'])
def test_random_clipped_crop__resizes_with_pillow(monkeypatch, name):
    """Pillow antialiases when it shrinks; OpenCV does not."""
    image = np.random.default_rng(0).integers(0, 256, (40, 100, 3), np.uint8)
    part = Image.fromarray(image[4:36, 10:74])
    expected = np.asarray(part.resize((16, 16), Image.Resampling[name.upper()]))
    found = {}
    for backend in ('pillow', 'cv2'):
        crop = RandomClippedCrop(16, interpolation=name, backend=backend)
        monkeypatch.setattr(crop, 'draw_crop', lambda height, width: (4, 10, 32, 64))
        found[backend] = crop(dict(img=image.copy()))['img']
    np.testing.assert_array_equal(found['pillow'], expected)
    assert (found['cv2'] != expected).any()
