"""One crop at two sizes, against Pillow and against itself."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from mae_transfer.data.two_size_crop import TwoSizeCrop
from mae_transfer.pretrain.tokenizer_range import to_tokenizer_range


def some_image(height: int = 60, width: int = 90) -> np.ndarray:
    """Smooth, with noise."""
    rows = np.linspace(0, 150, height)[:, None, None]
    columns = np.linspace(0, 60, width)[None, :, None]
    noise = np.random.default_rng(0).uniform(0, 40, (height, width, 3))
    return (rows + columns + noise).astype(np.uint8)


def test_two_size_crop__equals_pillow_on_one_crop(monkeypatch):
    """A crop of 30 rows and 40 columns from row 5 and column 20, bicubic and Lanczos."""
    monkeypatch.setattr(RandomResizedCrop, 'get_params', lambda *_: (5, 20, 30, 40))
    image = some_image()
    results = TwoSizeCrop(32, 16).transform({'img': image})
    crop = Image.fromarray(image).crop((20, 5, 60, 35))
    expected = [crop.resize((32, 32), Image.BICUBIC), crop.resize((16, 16), Image.LANCZOS)]
    assert results['img_shape'] == (32, 32)
    for view, picture in zip(results['img'], expected, strict=True):
        np.testing.assert_array_equal(view, np.asarray(picture))
        assert view.flags.writeable and view.dtype == np.uint8


def test_two_size_crop__passes_area_and_aspect_on(monkeypatch):
    asked = []

    def get_params(image, scale, ratio):
        asked.append((image.size, scale, ratio))
        return 0, 0, 10, 10

    monkeypatch.setattr(RandomResizedCrop, 'get_params', get_params)
    TwoSizeCrop().transform({'img': some_image()})
    TwoSizeCrop(crop_ratio_range=(0.2, 0.5), aspect_ratio_range=(1, 2)).transform(
        {'img': some_image()}
    )
    assert asked == [((90, 60), (0.08, 1.0), (3 / 4, 4 / 3)), ((90, 60), (0.2, 0.5), (1, 2))]


def test_two_size_crop__both_views_show_the_same_part():
    """The large view, reduced, is the small one, and neither is that of the next draw."""
    transform, image = TwoSizeCrop(64, 32), some_image(200, 300)
    pairs = [transform.transform({'img': image.copy()})['img'] for _ in range(20)]
    reduced = [np.asarray(Image.fromarray(large).resize((32, 32), Image.BOX)) for large, _ in pairs]
    error = [
        [np.abs(small.astype(float) - other).mean() for other in reduced] for _, small in pairs
    ]
    assert np.argmin(error, axis=1).tolist() == list(range(20))
    assert np.diag(error).max() < 4


def test_two_size_crop__is_drawn_from_the_seed():
    transform = TwoSizeCrop(8, 4)
    views = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        views.append(transform.transform({'img': some_image()})['img'])
    np.testing.assert_array_equal(views[0][0], views[1][0])
    np.testing.assert_array_equal(views[0][1], views[1][1])
    assert (views[0][1] != views[2][1]).any()


def test_pixel_map__of_the_tokenizers_view_is_dall_es():
    """(1 - 2 * .1) x + .1 of pixels in [0, 1]: mean -31.875, std 318.75 of pixels in 0..255."""
    pixels = torch.tensor([0.0, 51.0, 255.0]).view(1, 3, 1, 1)
    found = (pixels + 31.875) / 318.75
    torch.testing.assert_close(found.flatten(), torch.tensor([0.1, 0.26, 0.9]))
    torch.testing.assert_close(found, to_tokenizer_range(pixels, [0.0] * 3, [1.0] * 3))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(scale=0), 'scale=0: must be a positive number'),
        (dict(second_scale=-1), 'second_scale=-1'),
        (dict(crop_ratio_range=(0.5, 0.2)), r'crop_ratio_range=\(0.5, 0.2\)'),
        (dict(aspect_ratio_range=(0, 1)), r'aspect_ratio_range=\(0, 1\)'),
        (dict(second_interpolation='cubic'), "second_interpolation='cubic': must be one of"),
    ],
)
def test_two_size_crop__rejects(options, words):
    with pytest.raises(ValueError, match=words):
        TwoSizeCrop(**options)
