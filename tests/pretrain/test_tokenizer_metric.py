"""TokenizerMetric: errors and use of the codebook, by hand and in batches."""

import math

import pytest
import torch

from mae_transfer.pretrain import TokenizerMetric
from mae_transfer.pretrain.tokenizer_range import MEAN, STD


def sample(pixel: float, painted: float, tokens: list[int]) -> dict:
    """A flat picture of 2 x 3 pixels and its reconstruction."""
    return dict(
        picture=torch.full((3, 2, 3), (pixel - MEAN) / STD),
        reconstruction=torch.full((3, 2, 3), (painted - MEAN) / STD),
        tokens=torch.tensor(tokens),
    )


def test_metric__by_hand():
    """Pictures of 10 and 30, painted 12 and 26: errors 4 and 16, their mean picture is off by 10.

    Codes 0, 0, 0, 3 of five: two used, frequencies 3/4 and 1/4.
    """
    metric = TokenizerMetric(num_codes=5)
    metric.process(None, [sample(10, 12, [0, 0])])
    metric.process(None, [sample(30, 26, [0, 3])])
    result = metric.evaluate(size=2)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    expected = dict(reconstruction_MSE=10, mean_picture_MSE=100, codes_used=40)
    expected['perplexity'] = math.exp(entropy)
    assert result == pytest.approx(expected, rel=1e-4)


def test_metric__mean_picture_is_that_of_each_place():
    """Two equal pictures are their own mean, however much they vary from place to place."""
    one = sample(0, 0, [1])
    one['picture'] = torch.rand(3, 2, 3)
    metric = TokenizerMetric(num_codes=2)
    metric.process(None, [one, one])
    result = metric.evaluate(size=2)
    assert result['mean_picture_MSE'] == pytest.approx(0, abs=1e-6)
    assert result['reconstruction_MSE'] > 1
