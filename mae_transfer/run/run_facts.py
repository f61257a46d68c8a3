"""Lists the facts of a run that decide how it goes on, as plain data for its checkpoints.

MMEngine's checkpoints have the config as text, which only Python could read; a text from a file is
never executed here.
"""

from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import Dataset

from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.optim.layer_decay import strip_wrappers
from mae_transfer.optim.schedule_ahead import describe_schedulers
from mae_transfer.run.learning_rate import batch_of
from mae_transfer.run.plain_data import Plain, plain

KEY = 'run_facts'  # in the checkpoint's meta
VERSION = 1
# Keys of the config that decide how a run goes on. Others name folders, logs and the start.
CONFIG_KEYS = (
    *('model', 'data_preprocessor', 'sync_bn', 'compile', 'find_unused_parameters'),
    *('train_dataloader', 'val_dataloader', 'train_cfg', 'val_cfg', 'val_evaluator'),
    *('optim_wrapper', 'param_scheduler', 'default_hooks', 'custom_hooks', 'log_processor'),
    *('randomness', 'runner_type', 'strategy'),
)
NAMED_PICTURES = 16


def gather_facts(runner: Runner) -> dict[str, Plain] | None:
    """List the facts of a run that has built its parts and neither resumed nor trained.

    Returns:
        Plain data, or None for a run with several optimizers, whose facts are not known::

            version           of this list
            config            the keys CONFIG_KEYS
            groups            per parameter group the names of its parameters and its settings
            schedulers        class and constants of each scheduler, as built
            counts            'epochs' or 'iterations', what the training loop counts
            length            its length in that unit
            steps_per_epoch   optimizer steps of a pass over the data
            batch             what makes a step: processes, images, passes, crops
            data              number of samples, names of some pictures, classes
    """
    wrapper = runner.optim_wrapper
    schedulers = runner.param_schedulers
    if isinstance(wrapper, OptimWrapperDict) or isinstance(schedulers, dict):
        return None
    loop, dataset = runner.train_loop, runner.train_dataloader.dataset
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    cfg = runner.cfg
    return plain(
        dict(
            version=VERSION,
            config={key: cfg[key] for key in CONFIG_KEYS if cfg.get(key) is not None},
            groups=_groups(runner, wrapper),
            schedulers=describe_schedulers(schedulers or []),
            counts='epochs' if by_epoch else 'iterations',
            length=loop.max_epochs if by_epoch else loop.max_iters,
            steps_per_epoch=len(runner.train_dataloader),
            batch=vars(batch_of(cfg, get_world_size())) if cfg.get('train_dataloader') else None,
            data=dict(
                samples=len(dataset),
                pictures=_names_of_pictures(dataset),
                classes=getattr(dataset, 'metainfo', {}).get('classes'),
            ),
        )
    )


def _groups(runner: Runner, wrapper: OptimWrapper) -> list[dict[str, Any]]:
    """List names and settings of each parameter group; MMEngine's base settings have no names."""
    names = {
        id(parameter): strip_wrappers(name)
        for name, parameter in bare_model(runner).named_parameters()
    }
    own = len(wrapper.optimizer.param_groups)
    return [
        dict(
            names=[names.get(id(p), '?') for p in group['params']] if i < own else [],
            settings={k: v for k, v in group.items() if k not in ('params', 'param_names')},
        )
        for i, group in enumerate(wrapper.param_groups)
    ]


def parameter_names(facts: dict[str, Plain]) -> list[str]:
    """List the parameters of all groups in the order in which the optimizer numbers them."""
    return list(chain.from_iterable(group['names'] for group in facts['groups']))


def scheduled_settings(facts: Plain) -> set[str]:
    """Name the settings of the optimizer that the schedulers of a run change."""
    names = {scheduler['param_name'] for scheduler in facts['schedulers']}
    betas = any(scheduler.get('use_betas') for scheduler in facts['schedulers'])
    return names | ({'betas'} if betas else set())


def _names_of_pictures(dataset: Dataset) -> list[str]:
    """Name some pictures that are evenly spread over the data, if it knows them."""
    get_data_info, count = getattr(dataset, 'get_data_info', None), len(dataset)  # type: ignore
    if get_data_info is None or not count:
        return []
    indices = sorted({i * (count - 1) // (NAMED_PICTURES - 1) for i in range(NAMED_PICTURES)})
    infos = [get_data_info(index) for index in indices]
    paths = [info.get('img_path') for info in infos if isinstance(info, dict)]
    return [Path(path).name for path in paths if isinstance(path, str)]
