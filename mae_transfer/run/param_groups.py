"""Learning rate and decay of every parameter, as the optimizer of a config will use them."""

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope

from mae_transfer.optim.param_group_table import format_param_groups


def print_param_groups(cfg: Config) -> None:
    """Print what the optimizer is going to do with which parameters."""
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = MODELS.build(cfg.model)
    # Precision moves no parameter to another group, and a GPU's need not exist where one looks.
    wrapper = {k: v for k, v in cfg.optim_wrapper.items() if k not in ('dtype', 'loss_scale')}
    wrapper['type'] = 'OptimWrapper'
    print(format_param_groups(build_optim_wrapper(model, wrapper), model))
