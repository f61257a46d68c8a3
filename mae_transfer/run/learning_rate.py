"""The learning rate for another batch than the recipe's."""

from mmengine.config import Config

from mae_transfer.data.repeated_sampling import samples_per_picture
from mae_transfer.run.processes import say


def scale_lr(cfg: Config, world_size: int) -> None:
    """Scale the learning rate linearly with the batch size of an optimizer step.

    mmengine's own rule forgets gradient accumulation in its own loops, so it is switched off here.

    Args:
        cfg: The config, changed in place.
        world_size: Number of processes.

    Raises:
        ValueError: The config does not state the batch size of its recipe.
    """
    rule = cfg.get('auto_scale_lr') or {}
    recipe = rule.get('base_batch_size')
    if not recipe:
        raise ValueError(
            '--auto-scale-lr: the config states no auto_scale_lr.base_batch_size, the batch '
            'size for which '
            'its learning rate was chosen'
        )
    per_process = cfg.train_dataloader.get('batch_size')
    accumulated = cfg.optim_wrapper.get('accumulative_counts', 1)
    views = samples_per_picture(cfg)
    batch = world_size * per_process * views * accumulated
    lr = cfg.optim_wrapper.optimizer.lr
    cfg.optim_wrapper.optimizer.lr = lr * batch / recipe
    say(
        f'lr {lr:g} (recipe, batch {recipe}) x {batch}/{recipe} = {lr * batch / recipe:g}; '
        f'batch {batch} = '
        f'{world_size} processes x {per_process} images x {accumulated} accumulated'
        + (f' x {views} crops of each' if views > 1 else '')
    )
    rule['enable'] = False
