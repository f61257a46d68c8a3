"""Random states: there and back through a file, and seeds that keys keep apart."""

import random

import numpy as np
import pytest
import torch

from mae_transfer.compat.runner_load import load_from_local
from mae_transfer.random_states import (
    kept_cpu_states,
    random_states,
    seed_cpu,
    seed_random_states,
    set_random_states,
)


def draw() -> list[float]:
    """One number of each kind; normal ones, of which NumPy and random keep a second."""
    return [random.gauss(0, 1), np.random.randn(), torch.rand(()).item(), random.random()]


def test_random_states__come_back_from_a_checkpoint_that_is_read_safely(tmp_path):
    draw()
    torch.save({'state_dict': {}, 'states': [random_states()]}, tmp_path / 'iter_1.pth')
    expected = [draw() for _ in range(3)]
    seed_cpu((5,))
    assert [draw() for _ in range(3)] != expected
    set_random_states(load_from_local(str(tmp_path / 'iter_1.pth'))['states'][0])
    assert [draw() for _ in range(3)] == expected


def test_kept_cpu_states__hide_what_was_drawn_even_after_an_error():
    expected = draw()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    with pytest.raises(KeyError), kept_cpu_states():
        seed_cpu((1, 2))
        draw()
        raise KeyError
    assert draw() == expected


@pytest.mark.parametrize('seed', [seed_cpu, seed_random_states])
def test_seed__each_number_of_a_key_counts(seed):
    seen = []
    for key in [(1, 0, 2, 3), (1, 0, 2, 4), (1, 0, 3, 3), (1, 1, 2, 3), (2, 0, 2, 3),
                (1, 0, 2, 3, 1)]:  # fmt: skip
        seed(key)
        seen += draw()
    assert len(set(seen)) == 24
    seed((1, 0, 2, 3))
    assert draw() == seen[:4]
