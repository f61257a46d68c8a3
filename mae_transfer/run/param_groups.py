"""Prints the learning rate and weight decay of every parameter of a config."""

from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope

from mae_transfer.optim.param_group_table import format_param_groups
from mae_transfer.run.config import ConfigLike, read_config
from mae_transfer.run.framework import import_framework
from mae_transfer.run.learning_rate import is_lr_scaled, scale_lr
from mae_transfer.run.state import restored_state


def print_param_groups(
    config: ConfigLike, *, auto_scale_lr: bool = False, cfg_options: dict | None = None
) -> None:
    """Print the parameter groups that the optimizer of a run in one process will use.

    Args:
        config: See :func:`mae_transfer.run.train`, here and below.
        auto_scale_lr: Whether to scale the learning rate with the batch size.
        cfg_options: Dotted key -> value.
    """
    with restored_state():
        cfg = read_config(config, cfg_options or {})
        import_framework(cfg.get('default_scope'))
        if is_lr_scaled(cfg, auto_scale_lr):
            scale_lr(cfg, world_size=1)
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        model = MODELS.build(cfg.model)
        # Precision does not affect the groups, and a GPU's may be unsupported on this machine.
        wrapper = {k: v for k, v in cfg.optim_wrapper.items() if k not in ('dtype', 'loss_scale')}
        wrapper['type'] = 'OptimWrapper'
        print(format_param_groups(build_optim_wrapper(model, wrapper), model))
