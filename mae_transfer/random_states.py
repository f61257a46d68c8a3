"""Random states of this process: of ``random``, NumPy, torch's CPU generator and its GPU's."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from struct import unpack
from typing import Any

import numpy as np
import torch


def random_states() -> dict[str, Any]:
    """Return all random states in tensors and plain containers, as a checkpoint may hold them.

    That of the GPU is the current device's; it is absent where there is none.
    """
    version, words, gauss = random.getstate()
    numpy: dict[str, Any] = np.random.get_state(legacy=False)
    states = dict(
        python=dict(version=version, words=torch.tensor(words), gauss=gauss),
        numpy=dict(
            key=torch.from_numpy(numpy['state']['key'].astype(np.int64)),
            pos=int(numpy['state']['pos']),
            has_gauss=int(numpy['has_gauss']),
            gauss=float(numpy['gauss']),
        ),
        torch=torch.get_rng_state(),
    )
    if torch.cuda.is_available():
        states['cuda'] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: dict[str, Any]) -> None:
    """Restore what :func:`random_states` returned; its tensors may have moved to a GPU since."""
    python, numpy = states['python'], states['numpy']
    random.setstate((python['version'], tuple(python['words'].tolist()), python['gauss']))
    key = numpy['key'].cpu().numpy().astype(np.uint32)
    np.random.set_state(('MT19937', key, numpy['pos'], numpy['has_gauss'], numpy['gauss']))
    torch.set_rng_state(states['torch'].cpu())
    if 'cuda' in states:
        torch.cuda.set_rng_state(states['cuda'].cpu())


def seed_cpu(key: tuple[int, ...]) -> None:
    """Seed ``random``, NumPy and torch's CPU generator, in a few microseconds.

    Args:
        key: Whole numbers; each key gives draws of its own.
    """
    # A hash takes a tenth of the time of NumPy's SeedSequence, for every sample.
    digest = blake2b(str(key).encode(), digest_size=20).digest()
    first, second, third = unpack('<QIQ', digest)
    random.seed(first)
    np.random.seed(second)
    torch.default_generator.manual_seed(third)  # torch.manual_seed would look for GPUs


def seed_random_states(key: tuple[int, ...]) -> None:
    """Seed all that :func:`random_states` covers; for ``key`` see :func:`seed_cpu`."""
    seed_cpu(key)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(torch.default_generator.initial_seed())


@contextmanager
def kept_cpu_states() -> Iterator[None]:
    """Restore the states of ``random``, NumPy and torch's CPU generator at the end."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
