"""Scales the learning rate to the batch size on request, and reports a different batch size."""

from dataclasses import dataclass

from mmengine.config import Config

from mae_transfer.data.repeated_sampling import samples_per_picture
from mae_transfer.run.processes import say


@dataclass(frozen=True)
class Batch:
    """Batch of one optimizer step.

    Attributes:
        processes: Number of processes.
        images: Images per forward pass and process.
        accumulated: Forward passes per step.
        views: Crops per image.
    """

    processes: int
    images: int
    accumulated: int
    views: int

    @property
    def size(self) -> int:
        """Samples per step."""
        return self.processes * self.images * self.accumulated * self.views

    def __str__(self) -> str:
        crops = f' x {self.views} crops of each' if self.views > 1 else ''
        processes = f'{self.processes} process{"es" if self.processes > 1 else ""}'
        return (
            f'{self.size} = {processes} x {self.images} images x '
            f'{self.accumulated} accumulated{crops}'
        )


def batch_of(cfg: Config, world_size: int) -> Batch:
    """Return the batch of a training run."""
    return Batch(
        world_size,
        cfg.train_dataloader.get('batch_size'),
        cfg.optim_wrapper.get('accumulative_counts', 1),
        samples_per_picture(cfg),
    )


def scale_lr(cfg: Config, world_size: int) -> None:
    """Scale the learning rate linearly with the batch size of an optimizer step.

    This switches off mmengine's own rule, which does not count the crops per image.

    Args:
        cfg: The config, changed in place.
        world_size: Number of processes.

    Raises:
        ValueError: The config does not state the batch size of its recipe.
    """
    recipe = _recipe_batch(cfg)
    if not recipe:
        raise ValueError(
            '--auto-scale-lr: the config has no auto_scale_lr.base_batch_size, the batch size '
            'for which its learning rate was chosen'
        )
    batch = batch_of(cfg, world_size)
    lr = cfg.optim_wrapper.optimizer.lr
    cfg.optim_wrapper.optimizer.lr = lr * batch.size / recipe
    say(
        f'lr {lr:g} (recipe, batch {recipe}) x {batch.size}/{recipe} = '
        f'{lr * batch.size / recipe:g}; batch {batch}'
    )
    cfg.auto_scale_lr.enable = False


def say_other_batch(cfg: Config, world_size: int) -> None:
    """Report a batch size that differs from the recipe's while the learning rate stays."""
    recipe = _recipe_batch(cfg)
    lr = (cfg.optim_wrapper.get('optimizer') or {}).get('lr')
    if not recipe or lr is None:
        return
    batch = batch_of(cfg, world_size)
    if batch.size != recipe:
        say(
            f"batch {batch}, the recipe's is {recipe}; lr {lr:g} stays as it is, "
            f'--auto-scale-lr would make it {lr:g} x {batch.size}/{recipe} = '
            f'{lr * batch.size / recipe:g}'
        )


def _recipe_batch(cfg: Config) -> int | None:
    """Return the batch size for which the learning rate of a config was chosen."""
    return (cfg.get('auto_scale_lr') or {}).get('base_batch_size')


def is_lr_scaled(cfg: Config, auto_scale_lr: bool) -> bool:
    """Return whether `--auto-scale-lr` or the config scales the learning rate."""
    return auto_scale_lr or bool((cfg.get('auto_scale_lr') or {}).get('enable'))
