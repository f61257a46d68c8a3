"""Training as a function: what `tools/train.py` does, callable from Python."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.registry import RUNNERS

from mae_transfer.optim.accumulation import count_steps
from mae_transfer.run.check_data import check_data
from mae_transfer.run.config import read_config, set_work_dir
from mae_transfer.run.framework import import_framework
from mae_transfer.run.learning_rate import scale_lr
from mae_transfer.run.precision import set_amp
from mae_transfer.run.processes import say, start_processes
from mae_transfer.run.weights import (
    set_load_account,
    set_pretrained,
    set_resume,
    trust_checkpoints,
)

NEEDED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


@dataclass(frozen=True)
class Run:
    """What a run leaves.

    Attributes:
        work_dir: Folder of its logs, checkpoints and results.
        metrics: Name of the paper -> value, in percent; of the last validation, or of the test.
            Empty where nothing was evaluated.
    """

    work_dir: Path
    metrics: dict[str, float | None] = field(default_factory=dict)


def train(
    config: str | os.PathLike,
    *,
    work_dir: str | os.PathLike | None = None,
    pretrained: str | os.PathLike | None = None,
    allow_partial: Sequence[str] = (),
    resume: str | os.PathLike | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    cfg_options: dict | None = None,
    launcher: str = 'none',
    trust_checkpoint: bool = False,
) -> Run:
    """Train what a config describes: pre-training or any task.

    Args:
        config: Config file, relative to the current folder or to the checkout.
        work_dir: Folder for logs and checkpoints; by default work_dirs/<name of the config>.
        pretrained: Weights for the backbone: a file, the work dir of a pre-training run, a folder
            of Hugging Face's library, or timm:NAME.
        allow_partial: Patterns of tensors that what is loaded may leave as they are.
        resume: A checkpoint to go on from, or 'latest'.
        amp: Whether to train in mixed precision.
        auto_scale_lr: Whether to scale the learning rate with the batch size.
        cfg_options: Dotted key -> value, as `--cfg-options`.
        launcher: 'none', 'pytorch' or 'slurm': who started the processes.
        trust_checkpoint: Whether checkpoints may run code that they contain.

    Returns:
        The work dir, and the metrics of the last validation.

    Raises:
        FileNotFoundError: The config, the data or a checkpoint does not exist.
        ValueError: An option, the data or a checkpoint does not fit.
    """
    cfg = prepare_training(
        config,
        work_dir=work_dir,
        pretrained=pretrained,
        allow_partial=allow_partial,
        resume=resume,
        amp=amp,
        cfg_options=cfg_options,
        trust_checkpoint=trust_checkpoint,
    )
    used = ['train_dataloader', 'val_dataloader'] if cfg.get('val_cfg') else ['train_dataloader']
    check_data(cfg, used)
    if told := count_steps(cfg):
        say(told)
    start_processes(cfg, launcher)
    if auto_scale_lr or (cfg.get('auto_scale_lr') or {}).get('enable'):
        scale_lr(cfg, get_world_size())
    RUNNERS.get(cfg.get('runner_type', 'Runner')).from_cfg(cfg).train()
    return Run(Path(cfg.work_dir))


def prepare_training(
    config: str | os.PathLike,
    *,
    work_dir: str | os.PathLike | None = None,
    pretrained: str | os.PathLike | None = None,
    allow_partial: Sequence[str] = (),
    resume: str | os.PathLike | None = None,
    amp: bool = False,
    cfg_options: dict | None = None,
    trust_checkpoint: bool = False,
) -> Config:
    """Read a config and set what :func:`train` is asked for, without looking at the data.

    Args:
        config: See :func:`train`, here and below.
        work_dir: Folder for logs and checkpoints.
        pretrained: Weights for the backbone.
        allow_partial: What need not fit.
        resume: A checkpoint to go on from.
        amp: Mixed precision.
        cfg_options: Dotted key -> value.
        trust_checkpoint: Whether checkpoints may run code that they contain.

    Raises:
        ValueError: The config cannot be trained, or an option does not fit it.
    """
    cfg = read_config(str(config), cfg_options or {})
    absent = [key for key in NEEDED if not cfg.get(key)]
    if absent:
        raise ValueError(f'{config} cannot be trained: it has no {" and no ".join(absent)}')
    set_work_dir(cfg, str(config), work_dir)
    resumed = set_resume(cfg, resume)
    if pretrained:
        set_pretrained(cfg, str(pretrained), resume, resumed)
    if trust_checkpoint:
        trust_checkpoints()
    set_load_account(cfg, list(allow_partial))
    import_framework(cfg.get('default_scope'))
    if amp:
        set_amp(cfg)
    return cfg
