import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from mae_transfer.checkpoints.fit.patch_embed import NAME, adapt_channels, fit_patch_embed
from mae_transfer.checkpoints.steps import Resized


def fit(kernel, shape, rule=None):
    tensors, steps = fit_patch_embed({NAME: kernel}, shape, rule)
    return tensors[NAME], steps


def tokens(images, kernel):
    return F.conv2d(images, kernel, stride=kernel.shape[2:])


def test_fit_patch_embed__tokens_of_an_enlarged_picture_stay():
    """The definition of FlexiViT (arXiv 2212.08013, eq. 4): <resize(x), new> = <x, old>, H != W."""
    kernel, picture = torch.randn(32, 3, 8, 4), torch.randn(2, 3, 8, 4)
    resampled, (step,) = fit(kernel, (32, 3, 16, 6))
    larger = F.interpolate(picture, (16, 6), mode='bicubic', antialias=True)
    assert_close(tokens(larger, resampled), tokens(picture, kernel), atol=1e-3, rtol=1e-3)
    how = '8x4 -> 16x6 by the pseudo-inverse of bicubic resizing (FlexiViT)'
    assert step.words == f'patch_embed {how}'
    assert step.resized == {NAME: Resized((32, 3, 8, 4), (32, 3, 16, 6), how)}


def test_fit_patch_embed__same_shape_stays_bit_for_bit():
    kernel = torch.randn(32, 3, 8, 8)
    same, steps = fit(kernel, (32, 3, 8, 8))
    assert same is kernel and steps == []


@pytest.mark.parametrize('rule, channels', [('mean', 1), ('mean', 5), ('repeat', 6), ('zero', 4)])
def test_adapt_channels__gray_pictures_keep_their_tokens(rule, channels):
    kernel, gray = torch.randn(32, 3, 8, 8), torch.randn(2, 1, 16, 24)
    adapted = adapt_channels(kernel, channels, rule)
    assert adapted.shape == (32, channels, 8, 8)
    before, after = (gray.expand(-1, n, -1, -1) for n in (3, channels))
    assert_close(tokens(after, adapted), tokens(before, kernel), atol=1e-3, rtol=1e-4)


def test_adapt_channels__by_hand():
    """Weights 1, 2, 3 of three channels become 3 / new times their mean or themselves in turn."""
    kernel = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    for rule, channels, expected in (
        ('mean', 2, [3.0, 3.0]),
        ('repeat', 4, [0.75, 1.5, 2.25, 0.75]),
        ('repeat', 2, [1.5, 3.0]),
        ('zero', 5, [1.0, 2.0, 3.0, 0.0, 0.0]),
    ):
        assert adapt_channels(kernel, channels, rule).flatten().tolist() == expected


def test_fit_patch_embed__channels_and_patch_size_are_both_told():
    fitted, steps = fit(torch.randn(32, 3, 8, 8), (32, 4, 4, 4), 'mean')
    assert fitted.shape == (32, 4, 4, 4)
    channels, patch = (step.resized[NAME] for step in steps)
    assert (channels.old, channels.new) == ((32, 3, 8, 8), (32, 4, 8, 8))
    assert (patch.old, patch.new) == ((32, 4, 8, 8), (32, 4, 4, 4))
    assert channels.how == "3 -> 4 channels by the rule 'mean'"
    assert patch.how.startswith('8x8 -> 4x4 by the pseudo-inverse')


@pytest.mark.parametrize(
    'shape, rule, words',
    [
        ((32, 1, 8, 8), None, 'channels 3 in the file, 1 in the encoder: choose how to adapt'),
        ((32, 1, 8, 8), 'zero', "in_channels_rule='zero' keeps all 3 channels"),
        (
            (32, 3, 8, 8),
            'sum',
            "in_channels_rule='sum': must be one of",
        ),
    ],
)
def test_fit_patch_embed__rules(shape, rule, words):
    with pytest.raises(ValueError, match=words):
        fit(torch.randn(32, 3, 8, 8), shape, rule)
