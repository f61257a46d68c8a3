"""Counts the optimizer steps of an epoch."""

from dataclasses import dataclass
from math import ceil

from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mae_transfer.loops.accumulation import whole_step


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data.

    Attributes:
        images: Number of training images.
        batch: Images per step, over all processes.
        steps: Optimizer steps per epoch.
    """

    images: int
    batch: int
    steps: int

    def __str__(self) -> str:
        return f'{self.steps} steps ({self.images} images in batches of {self.batch})'


def count_epoch(cfg: Config) -> Epoch:
    """Build the training data of a config to count the steps of an epoch."""
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    loader = Runner.build_dataloader(whole_step(cfg.train_dataloader, counts))
    images = len(loader.dataset)
    batch = get_world_size() * cfg.train_dataloader.batch_size * counts
    # An endless sampler counts the images of all processes.
    endless = isinstance(loader.sampler, InfiniteSampler)
    return Epoch(images, batch, ceil(images / batch) if endless else len(loader))
