import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from mae_transfer.checkpoints.fit.account import LoadAccount
from mae_transfer.checkpoints.fit.patch_embed import NAME, adapt_channels, fit_patch_embed


def fit(kernel, shape, rule=None):
    account, tensors = LoadAccount('x.pth', 'test'), {NAME: kernel}
    fit_patch_embed(tensors, shape, account, rule)
    return tensors[NAME], account


def tokens(images, kernel):
    return F.conv2d(images, kernel, stride=kernel.shape[2:])


def test_fit_patch_embed__tokens_of_an_enlarged_picture_stay():
    """The definition of FlexiViT (arXiv 2212.08013, eq. 4): <resize(x), new> = <x, old>, H != W."""
    kernel, picture = torch.randn(32, 3, 8, 4), torch.randn(2, 3, 8, 4)
    resampled, account = fit(kernel, (32, 3, 16, 6))
    larger = F.interpolate(picture, (16, 6), mode='bicubic', antialias=True)
    assert_close(tokens(larger, resampled), tokens(picture, kernel), atol=1e-3, rtol=1e-3)
    assert account.resized[NAME].old == (32, 3, 8, 4)
    assert account.resized[NAME].new == (32, 3, 16, 6)
    assert account.changes == [
        'patch_embed 8x4 -> 16x6 by the pseudo-inverse of bicubic resizing (FlexiViT)'
    ]


def test_fit_patch_embed__same_shape_stays_bit_for_bit():
    kernel = torch.randn(32, 3, 8, 8)
    same, account = fit(kernel, (32, 3, 8, 8))
    assert same is kernel and account.changes == [] and account.resized == {}


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
    fitted, account = fit(torch.randn(32, 3, 8, 8), (32, 4, 4, 4), 'mean')
    assert fitted.shape == (32, 4, 4, 4)
    step = account.resized[NAME]
    assert (step.old, step.new) == ((32, 3, 8, 8), (32, 4, 4, 4))
    assert step.how.startswith("3 -> 4 channels by the rule 'mean'; 8x8 -> 4x4 by the pseudo-inv")


@pytest.mark.parametrize(
    'shape, rule, words',
    [
        ((32, 1, 8, 8), None, 'channels 3 in the file, 1 in the encoder: name the rule'),
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
