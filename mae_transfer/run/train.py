"""Trains a config; the function behind `tools/train.py`."""

import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from mae_transfer.hooks.last_metrics import LastMetricsHook
from mae_transfer.hooks.nothing_left import NothingLeftHook
from mae_transfer.hooks.step_count import StepCountHook
from mae_transfer.loops.accumulation import count_steps
from mae_transfer.run.check_data import check_data
from mae_transfer.run.config import (
    ConfigLike,
    config_name,
    default_work_dir,
    load_config,
    merge_options,
)
from mae_transfer.run.disk import WrittenFolder
from mae_transfer.run.framework import import_framework
from mae_transfer.run.guards import set_guards
from mae_transfer.run.learning_rate import is_lr_scaled, say_other_batch, scale_lr
from mae_transfer.run.length import (
    check_lengths,
    count_validations,
    length_of,
    set_length,
    validate_once,
)
from mae_transfer.run.lock import WorkDirLock
from mae_transfer.run.metric_names import paper_metrics
from mae_transfer.run.precision import set_amp
from mae_transfer.run.processes import say, start_processes
from mae_transfer.run.result import Run
from mae_transfer.run.resume import ResumedOptionsHook
from mae_transfer.run.state import restored_state
from mae_transfer.run.step_time import measure_step
from mae_transfer.run.weights import (
    check_start,
    set_load_account,
    set_pretrained,
    set_resume,
    skip_weights_of_recipe,
    trust_checkpoints,
)
from mae_transfer.run.work_dir import (
    RecordLengthHook,
    ReplaceRunHook,
    check_work_dir,
    is_replaced_by_this_job,
    is_started_anew,
    read_length,
    validated_once,
)

NEEDED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


def train(
    config: ConfigLike,
    *,
    work_dir: str | os.PathLike | None = None,
    pretrained: str | os.PathLike | None = None,
    allow_partial: Sequence[str] = (),
    resume: str | os.PathLike | bool | None = None,
    overwrite: bool = False,
    iters: int | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    cfg_options: dict | None = None,
    launcher: str = 'none',
    trust_checkpoint: bool = False,
) -> Run:
    """Run the training that a config describes: pre-training or any task.

    The arguments are those of `tools/train.py`. The state of the process is restored afterwards, so
    this can be called again.

    Args:
        config: A config file, relative to the current folder or to the checkout, or a config, which
            is not changed.
        work_dir: Folder for logs and checkpoints; by default work_dirs/<config name>.
        pretrained: Weights for the backbone: a file, the work dir of a pre-training run, a folder
            of Hugging Face's library, or timm:NAME.
        allow_partial: Patterns of tensors that may keep their initial values when a checkpoint is
            loaded.
        resume: A checkpoint to resume from, or 'latest'.
        overwrite: Whether to remove the files of an earlier run from the work dir.
        iters: Length in iterations (optimizer steps) instead of the recipe's; the schedule scales.
        epochs: Length in epochs.
        minutes: Length in minutes; a trial times steps and validations.
        amp: Whether to train in mixed precision.
        auto_scale_lr: Whether to scale the learning rate with the batch size.
        cfg_options: Dotted key -> value, as `--cfg-options`.
        launcher: How the processes were started: 'none', 'pytorch' or 'slurm'.
        trust_checkpoint: Whether reading checkpoints may run code that they contain.

    Returns:
        The work dir, and the metrics of the last validation.

    Raises:
        FileNotFoundError: The config, the data or a checkpoint does not exist.
        ValueError: An option, the data or a checkpoint is not valid, or the work dir is in use.
        DiskError: The work dir cannot be written; names the last whole checkpoint.
        RunStopped: A signal (Ctrl-C, SIGTERM, SIGUSR1, SIGHUP) stopped the run after a step, whose
            checkpoint it names. A script that does not catch it ends with the exit code of the
            signal, without a traceback.
    """
    options = cfg_options or {}
    if isinstance(allow_partial, str):
        raise ValueError(f'allow_partial={allow_partial!r}: must be a list of patterns')
    if isinstance(resume, bool):
        resume = 'latest' if resume else None
    check_lengths(options, iters=iters, epochs=epochs, minutes=minutes)
    with WrittenFolder() as written, restored_state():
        # The config.
        cfg = load_config(config)
        name, recipe = config_name(cfg), length_of(cfg)
        merge_options(cfg, options)
        absent = [key for key in NEEDED if not cfg.get(key)]
        if absent:
            shown = name or 'this config'
            raise ValueError(f'{shown} cannot be trained: it has no {" and no ".join(absent)}')
        cfg.work_dir = str(work_dir or default_work_dir(cfg, name))
        # The weights.
        if overwrite and resume == 'latest' and is_started_anew():
            if is_replaced_by_this_job(cfg.work_dir):
                overwrite = False
            else:
                resume = None
        if trust_checkpoint:
            trust_checkpoints()
        resumed = set_resume(cfg, resume)
        if pretrained:
            set_pretrained(cfg, pretrained, resume, resumed)
        warning = check_start(cfg, name, options)
        if warning:
            say(f'WARNING: {warning}')
        skip_weights_of_recipe(cfg, allow_partial)
        set_load_account(cfg, list(allow_partial))
        set_guards(cfg)
        import_framework(cfg.get('default_scope'))
        if amp:
            set_amp(cfg)
        # The requirements.
        start_processes(cfg, launcher)
        start = pretrained or cfg.get('load_from')
        check_work_dir(cfg.work_dir, resume is not None, overwrite, str(start) if start else None)
        validated = cfg.get('val_cfg') is not None
        check_data(cfg, ['train_dataloader', *(['val_dataloader'] if validated else [])])
        # The run.
        if told := count_steps(cfg):
            say(told)
        if minutes is not None:
            iters = _iterations_in(cfg, minutes, Path(resumed).parent if resumed else None)
        for line in set_length(cfg, recipe, options, iters=iters, epochs=epochs):
            say(line)
        if is_lr_scaled(cfg, auto_scale_lr):
            scale_lr(cfg, get_world_size())
        else:
            say_other_batch(cfg, get_world_size())
        written.folder = Path(cfg.work_dir)
        with WorkDirLock(cfg.work_dir), ReplaceRunHook(cfg.work_dir, overwrite) as replacing:
            runner = RUNNERS.get(cfg.get('runner_type', 'Runner')).from_cfg(cfg)
            last = LastMetricsHook()
            for hook in (replacing, last, *_hooks(cfg, minutes, resumed is not None)):
                runner.register_hook(hook)
            if warning:
                runner.logger.warning(warning)
            runner.train()
        if warning:  # in other words, as MMEngine's logger drops repeated warnings
            runner.logger.warning(warning.replace('this run starts', 'this run started'))
        return Run(Path(cfg.work_dir), paper_metrics(last.metrics))


def _hooks(cfg: Config, minutes: float | None, resumed: bool) -> list[Hook]:
    """Return what every run needs besides the hooks of its config.

    Args:
        cfg: The config.
        minutes: The requested time that the length was chosen for, if any.
        resumed: Whether the run goes on from a checkpoint.
    """
    hooks: list[Hook] = [StepCountHook(), ResumedOptionsHook()]
    if length := length_of(cfg):
        hooks.append(RecordLengthHook(length, minutes, once=count_validations(cfg) == 1))
    if resumed:
        hooks.append(NothingLeftHook())
    return hooks


def _iterations_in(cfg: Config, minutes: float, resumed: Path | None) -> int:
    """Return the length of a run of some minutes; a resumed run keeps its length.

    Args:
        cfg: The config; if there is time for only one validation, it is moved to the end.
        minutes: The requested time.
        resumed: Folder of the run to resume, if any.
    """
    former = read_length(resumed) if resumed else None
    if resumed and former and former[0] == 'max_iters':
        say(f'--minutes: {former[1]} iterations, as chosen when this run was started')
        if validated_once(resumed):
            validate_once(cfg)
        return former[1]
    say('--minutes: timing the first steps on a copy of this run')
    trial = measure_step(cfg)
    wanted = count_validations(cfg)
    validations = trial.validations_in(minutes, wanted)
    length = trial.steps_in(minutes, validations)
    told = f', {validations} validations of {trial.validation:.3g} s' if wanted else ''
    if validations < wanted:
        validate_once(cfg)
        told += f' instead of {wanted}, which would take more than half of the time'
    say(
        f'--minutes {minutes:g}: {trial.whole:.0f} s for the trial, {trial.setup:.0f} s to start, '
        f'{length} iterations of {trial.step:.3g} s{told}'
    )
    return length
