"""Runs of small recipes that are stopped and resumed, with the loss of every step."""

import ast
import copy
import functools
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mae_transfer.hooks import AtomicCheckpointHook
from mae_transfer.run import train
from tests.configs_suite.reading import load
from tests.configs_suite.tiny_data import MAKERS
from tests.configs_suite.tiny_models import divide_sizes, prepare_run, shrink

PICTURES = 22
LOSSES: dict[int, float] = {}


class Stopped(Exception):
    """Ends a run between two steps, as a kill would."""


@HOOKS.register_module()
class NoteLosses(Hook):
    """Note the loss of each step in ``LOSSES``; save a checkpoint after one, and stop there.

    Args:
        save: The step; None for none.
        stop: Whether the run ends there.
    """

    priority = 'LOWEST'

    def __init__(self, save: int | None, stop: bool) -> None:
        self.save, self.stop = save, stop

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        step = runner.iter + 1
        LOSSES[step] = float(outputs['loss'].detach())
        if step != self.save:
            return
        (checkpoint,) = (hook for hook in runner.hooks if isinstance(hook, AtomicCheckpointHook))
        checkpoint._save_checkpoint_with_step(runner, step, dict(epoch=runner.epoch, iter=step))
        if self.stop:
            raise Stopped


@functools.cache
def pictures_of(root: str) -> Path:
    """Make pictures in the layout that a recipe asks for, once for all recipes.

    Args:
        root: What the recipe calls the folder of its data.
    """
    folder = Path(tempfile.mkdtemp(prefix='pictures-'))
    MAKERS[root](folder, PICTURES)
    return folder


def recipe(path: str, **options: object) -> Config:
    """Make a recipe small, with a high learning rate, so that a wrong weight shows in the loss.

    Args:
        path: The recipe.
        options: Values to set, a dotted key with ``__`` for each dot.
    """
    cfg = load(path)
    root = pictures_of(cfg.train_dataloader.dataset.data_root)
    if cfg.model.type == 'DiscreteVAE':
        cfg.model.update(num_codes=32, embed_dims=16, hidden_dims=16, num_blocks=1)
        for key in ('train_dataloader', 'val_dataloader'):
            divide_sizes(cfg[key], 2)
        cfg.val_evaluator.num_codes = 32
        cfg.optim_wrapper.dtype = 'bfloat16'
    else:
        cfg = shrink(cfg)
    cfg = prepare_run(cfg, root, Path('unused'))
    cfg.optim_wrapper.optimizer.lr = 2e-3
    cfg.auto_scale_lr = dict(enable=False, base_batch_size=16)
    cfg.log_level = 'ERROR'
    cfg.vis_backends = []
    cfg.visualizer = None
    cfg.custom_hooks = [
        hook for hook in cfg.custom_hooks if 'Reconstruction' not in str(hook['type'])
    ]
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    return cfg


def losses_of(
    cfg: Config,
    work_dir: Path,
    stop: int | None = None,
    save: int | None = None,
    resume: str | Path | None = None,
    **arguments: object,
) -> dict[int, float]:
    """Run ``train`` on a copy of a config; return the loss of each step that it makes.

    Args:
        cfg: The config.
        work_dir: Folder of the run.
        stop: Step after which it writes a checkpoint and ends; None to go on to the end.
        save: Step after which it writes a checkpoint and goes on.
        resume: A checkpoint, or 'latest'.
        arguments: Further ones of ``train``, such as its length.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'{work_dir.name}-{time.time_ns()}'
    cfg.default_hooks.checkpoint = dict(type='AtomicCheckpointHook', by_epoch=False, interval=-1)
    notes = dict(type='NoteLosses', save=stop or save, stop=stop is not None)
    cfg.custom_hooks = [*cfg.custom_hooks, notes]
    LOSSES.clear()
    # yapf, which makes a config's text pretty, takes seconds for each checkpoint
    with mock.patch('yapf.yapflib.yapf_api.FormatCode', _as_it_is), suppress(Stopped):
        train(cfg, resume=resume, overwrite=not resume, **arguments)
    return dict(LOSSES)


def _as_it_is(text: str, **style: object) -> tuple[str, bool]:
    ast.parse(text)
    return text, False


def whole_and_resumed(
    make: Callable[[], Config], folder: Path, stop: int, **arguments: object
) -> tuple[dict[int, float], dict[int, float]]:
    """Run a config to its end; then run it up to a step, and resume it.

    Args:
        make: Makes the config.
        folder: Where both runs write.
        stop: The step.
        arguments: Further ones of ``train``, such as its length.

    Returns:
        The losses of all steps of the first run, and of the steps after the resume.
    """
    cfg = make()
    if cfg.randomness.seed is None:  # two runs would differ: one is resumed in the middle
        whole = losses_of(cfg, folder / 'whole', save=stop, **arguments)
        file = folder / 'whole' / f'iter_{stop}.pth'
        return whole, losses_of(cfg, folder / 'resumed', resume=file, **arguments)
    whole = losses_of(cfg, folder / 'whole', **arguments)
    first = losses_of(cfg, folder / 'cut', stop=stop, **arguments)
    assert list(first) == list(range(1, stop + 1)), first
    torch.manual_seed(time.time_ns())  # nothing is left over from the run before
    return whole, losses_of(cfg, folder / 'cut', resume='latest', **arguments)


def largest_difference(whole: dict[int, float], resumed: dict[int, float], stop: int) -> float:
    """Return how far the losses after a resume are from those of the whole run, at most.

    Raises:
        AssertionError: A step is missing, or the losses do not change from step to step.
    """
    assert list(resumed) == list(range(stop + 1, max(whole) + 1)), (list(whole), list(resumed))
    assert len(set(whole.values())) > len(whole) - 3, whole  # a warm-up may begin with a rate of 0
    return max(abs(whole[step] - resumed[step]) for step in resumed)


def print_losses_of_rank(
    path: str, options: dict, work_dir: Path, stop: int | None, resume: str | None, iters: int
) -> None:
    """Be one rank of a run, and print its losses; for ``tests.support.ranks.run_ranks``."""
    cfg = recipe(path, **options)
    cfg.env_cfg.dist_cfg = dict(backend='gloo')
    losses = losses_of(cfg, Path(work_dir), stop, resume=resume, iters=iters, launcher='pytorch')
    print('LOSSES', json.dumps(losses), flush=True)
