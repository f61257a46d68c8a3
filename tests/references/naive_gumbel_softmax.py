"""Gumbel-softmax relaxation, one place at a time (Jang et al. 2017, equation 2)."""

import math


def naive_gumbel_softmax(
    logits: list[float], exponentials: list[float], temperature: float
) -> list[float]:
    """Weights of the codes of one place.

    Args:
        logits: One per code.
        exponentials: Samples of an exponential distribution of rate 1, one per code: -ln of one is
            a Gumbel sample.
        temperature: Above 0.
    """
    noisy = [logit - math.log(e) for logit, e in zip(logits, exponentials, strict=True)]
    powers = [math.exp(value / temperature) for value in noisy]
    return [power / sum(powers) for power in powers]
