"""Writes checkpoints so that a run killed at any moment can be resumed, from finite numbers."""

import os
import re
from collections import deque
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner, find_latest_checkpoint

from mae_transfer.checkpoints.files.checkpoint_file import without_wrappers
from mae_transfer.checkpoints.files.finite import (
    INFINITE_BUFFERS,
    broken_names,
    not_finite,
    optimizer_tensors,
    persistent_buffers,
)
from mae_transfer.checkpoints.files.last_checkpoint import POINTER
from mae_transfer.compat.atomic_write import remove_leftovers, write_atomically
from mae_transfer.compat.checkpoint_paths import BEST_KEY, BEST_NAME
from mae_transfer.first_few import first_few
from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.registry import HOOKS

EXTRA = 'extra_ckpts'  # in the message hub: names of the files of save_now that are still there
EXTRA_NAME = re.compile(r'(iter|epoch)_\d+\.pth')


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook`` in an order that never leaves a run without a checkpoint.

    The new checkpoint is complete on the disk before ``last_checkpoint`` names it, and named before
    an old one is removed; the base class removes first. The best checkpoint, too, is removed only
    after its successor has been written. While a checkpoint is written, the disk holds one more
    than ``max_keep_ckpts``; it stays there if the run is killed between naming and removing.
    Unfinished files of killed runs are removed when the next run in the same folder starts.

    Nothing is written or removed while a weight or a moment of the optimizer is not finite. Of what
    a resumed checkpoint says about other files, only files in the folder of this run count: the
    original of a copied run stays as it is.

    Args:
        **kwargs: Those of ``CheckpointHook``.

    Attributes:
        refused: Iteration and names of the tensors for each time that nothing was saved.

    Raises:
        ValueError: ``file_client_args`` is given: this deprecated option does not write atomically.
    """

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.get('file_client_args') is not None:
            raise ValueError(
                f'file_client_args={kwargs["file_client_args"]!r} is deprecated in MMEngine and '
                'writes files that may be truncated when a run is killed: use backend_args'
            )
        super().__init__(**kwargs)
        self.refused: list[tuple[int, list[str]]] = []
        self._good: list[str] = []
        self._extra: list[str] = []
        self._saved: str | None = None  # the checkpoint of the step that just ended
        self._epoch_ended = False

    @property
    def last_good(self) -> str | None:
        """The newest whole and finite checkpoint of this run that is still there, or None.

        A resumed run begins with the one that it resumed.
        """
        return next((path for path in reversed(self._good) if self._exists(path)), None)

    def before_train(self, runner: Runner) -> None:
        """Find the folder of the checkpoints, what is in it, and remove unfinished files."""
        noted = self._pop_paths(runner)
        super().before_train(runner)
        self._take_over(runner, noted)
        if getattr(runner, '_resume', False):
            resumed = runner._load_from or find_latest_checkpoint(runner.work_dir)
            self._good += [str(resumed)] if resumed else []
        if not is_main_process():
            return
        for path in [
            *remove_leftovers(self.out_dir, '*.pth'),
            *remove_leftovers(runner.work_dir, POINTER),
        ]:
            runner.logger.info(f'Removed {path}, left unfinished by a killed run.')

    def _pop_paths(self, runner: Runner) -> dict[str, Any]:
        """Take what a resumed checkpoint says about files before the base class acts on it."""
        info = runner.message_hub.runtime_info
        names = [
            name
            for name in info
            if name in ('keep_ckpt_ids', 'last_ckpt', EXTRA) or name.startswith(BEST_KEY)
        ]
        return {name: info.pop(name) for name in names}

    def _take_over(self, runner: Runner, noted: dict[str, Any]) -> None:
        """Go on with those files that are in the folder of this run."""
        hub = runner.message_hub
        for name, path in noted.items():
            if not self.save_best or not name.startswith(BEST_KEY):
                continue
            own = self._own(str(path).replace('\\', '/').rpartition('/')[2])
            if os.path.basename(own).startswith(BEST_NAME) and self._exists(own):
                hub.update_info(name, own)
                self._best()[self._key(name)] = own
            elif path:
                runner.logger.info(
                    f'The best checkpoint of the resumed run, {path!r}, is not in {self.out_dir}: '
                    'it stays where it is.'
                )
        if self.max_keep_ckpts > 0:
            ids = [
                step
                for step in _list(noted.get('keep_ckpt_ids'))
                if type(step) is int and self._exists(self._own(self.filename_tmpl.format(step)))
            ]
            for step in ids[: -self.max_keep_ckpts]:
                self._remove(self._own(self.filename_tmpl.format(step)))
            self.keep_ckpt_ids = deque(ids, self.max_keep_ckpts)
            hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        self._extra = [
            name
            for name in _list(noted.get(EXTRA))
            if isinstance(name, str)
            and EXTRA_NAME.fullmatch(name)
            and self._exists(self._own(name))
        ]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note that another step begins."""
        self._saved, self._epoch_ended = None, False

    def after_train_epoch(self, runner: Runner) -> None:
        """Save at the end of an epoch, if it is time."""
        self._epoch_ended = True
        super().after_train_epoch(runner)

    def after_roll_back(self, runner: Runner) -> None:
        """Remove the checkpoints of the steps that are made again; point to the one before them.

        The loop calls it when the run has gone back to an earlier checkpoint.
        """
        now = runner.epoch if self.by_epoch else runner.iter
        kept: deque[int] = getattr(self, 'keep_ckpt_ids', deque())
        later = [self.filename_tmpl.format(step) for step in kept if step > now]
        reached = dict(epoch=runner.epoch, iter=runner.iter)
        for name in self._extra:
            unit, _, number = name.removesuffix('.pth').partition('_')
            later += [name] if int(number) > reached[unit] else []
        self._extra = [name for name in self._extra if name not in later]
        if self.max_keep_ckpts > 0:
            self.keep_ckpt_ids = deque([step for step in kept if step <= now], self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        paths = [self._own(name) for name in later]
        self._good = [path for path in self._good if path not in paths]
        self._saved = None
        if is_main_process() and self.last_good is not None:
            write_atomically(Path(runner.work_dir, POINTER), self.last_good)
        for path in paths:
            self._remove(path)

    def save_now(self, runner: Runner) -> str | None:
        """Write a checkpoint of the step that just ended, unless this has been done already.

        All processes call it in ``after_train_iter`` or ``after_train_epoch`` of a hook that comes
        after this one (priority LOWEST). The file does not count for ``max_keep_ckpts``; it is
        removed once the next regular checkpoint is whole.

        Args:
            runner: The runner.

        Returns:
            The checkpoint of this step: ``iter_N.pth``, or ``epoch_N.pth`` at the end of an epoch
            in a run that counts epochs. None if it was not written, as numbers are not finite.
        """
        if self._saved is not None:
            return self._saved
        iteration, epoch = runner.iter, runner.epoch
        if not self._epoch_ended:
            iteration += 1  # loops count up after their hooks
        elif isinstance(runner.train_loop, EpochBasedTrainLoop):
            epoch += 1
        if not self.by_epoch:
            name = self.filename_tmpl.format(iteration)
        elif self._epoch_ended:
            name = self.filename_tmpl.format(epoch)
        else:
            name = f'iter_{iteration}.pth'
        meta = dict(epoch=epoch, iter=iteration)
        if not self._may_save(runner, meta):
            return None
        if not self._exists(self._own(name)):
            self._extra.append(name)
        self._write(runner, name, meta)
        return self._saved

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Write a checkpoint, point to it, then remove the outdated ones."""
        if not self._may_save(runner, meta):
            return
        kept = deque(getattr(self, 'keep_ckpt_ids', ()), maxlen=max(self.max_keep_ckpts, 0))
        outdated = self._keep(runner, step) if self.max_keep_ckpts > 0 else None
        name = self.filename_tmpl.format(step)
        self._extra = [other for other in self._extra if other != name]
        try:
            self._write(runner, name, meta)
        except BaseException:  # such as a full disk
            self.keep_ckpt_ids = kept
            raise
        for other in [*self._extra, *([] if outdated is None else [outdated])]:
            self._remove(self._own(other))
        self._extra = []

    def _write(self, runner: Runner, name: str, meta: dict) -> None:
        """Write a checkpoint, then point to it."""
        self.last_ckpt = path = self._own(name)
        runner.message_hub.update_info('last_ckpt', path)
        runner.message_hub.update_info(EXTRA, list(self._extra))
        runner.call_hook('before_save_on_all_ranks')
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            write_atomically(Path(runner.work_dir, POINTER), path)
        self._saved = path
        self._good = [*(other for other in self._good if other != path), path]

    def _keep(self, runner: Runner, step: int) -> str | None:
        """Record a step as kept; return the name of the checkpoint to remove, if any."""
        ids = self.keep_ckpt_ids
        if ids and ids[-1] == step:  # saved a second time, after an evaluation
            return None
        outdated = ids.popleft() if len(ids) == self.max_keep_ckpts else None
        ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(ids))
        return None if outdated is None else self.filename_tmpl.format(outdated)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Write new best checkpoints, then remove the former ones."""
        if not self.save_best or not self._may_save(runner, dict(iter=runner.iter)):
            return
        runner.call_hook('before_save_on_all_ranks')
        best = self._best()
        former = {name: best[name] for name in (['best_ckpt_path'] if self._one() else best)}
        best.update(dict.fromkeys(former))  # the base class would remove these
        super()._save_best_checkpoint(runner, metrics)
        for name, path in former.items():
            if best[name] is None:
                best[name] = path
            elif path and path != best[name]:
                self._remove(path)

    def _may_save(self, runner: Runner, meta: dict) -> bool:
        """Return whether all numbers are finite, the same on all processes; warn if not.

        Args:
            runner: The runner.
            meta: Facts about the checkpoint; gets the names of buffers that hold infinities.
        """
        models = {'': bare_model(runner)}
        for hook in runner.hooks:  # MMEngine's EMAHook
            averaged = getattr(hook, 'ema_model', None)
            if isinstance(averaged, torch.nn.Module):
                models['ema.'] = averaged
        tensors: dict[str, torch.Tensor] = {}
        buffers: set[str] = set()
        for prefix, part in models.items():
            own = persistent_buffers(part)
            buffers |= {prefix + name for name in own}
            tensors |= {prefix + name: value for name, value in part.named_parameters()}
            tensors |= {prefix + name: value for name, value in own.items()}
        for optimizer in _optimizers(runner):
            tensors |= optimizer_tensors(optimizer)
        wrong = not_finite(tensors)
        broken = broken_names(wrong, buffers)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            broken = _agree(broken)
        if broken:
            self.refused.append((meta['iter'], broken))
            runner.logger.warning(
                f'No checkpoint is saved at iteration {meta["iter"]}: numbers are not finite in '
                f'{first_few(broken)}; checkpoints of earlier steps stay as they are.'
            )
            return False
        meta[INFINITE_BUFFERS] = [without_wrappers(name) for name in wrong]
        return True

    def _one(self) -> bool:
        """Return whether one metric decides which checkpoint is the best."""
        return len(self.key_indicators) == 1

    def _best(self) -> dict[str, Any]:
        """Return where the base class keeps the paths of the best checkpoints."""
        return self.__dict__ if self._one() else self.best_ckpt_path_dict

    def _key(self, name: str) -> str:
        """Return the key in :meth:`_best` of a name in the message hub."""
        return 'best_ckpt_path' if self._one() else name.removeprefix(f'{BEST_KEY}_')

    def _own(self, name: str) -> str:
        """Return the path of a file in the folder of the checkpoints."""
        return self.file_backend.join_path(self.out_dir, name)

    def _exists(self, path: str) -> bool:
        return self.file_backend.isfile(path) or self.file_backend.isdir(path)

    def _remove(self, path: str) -> None:
        """Remove a checkpoint, which may be a folder, if it still exists."""
        if not is_main_process():
            return
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):
            self.file_backend.rmtree(path)


def checkpoint_hook(runner: Runner) -> AtomicCheckpointHook | None:
    """Return the hook of a run that writes its checkpoints, if it is ours."""
    hooks = (hook for hook in runner.hooks if isinstance(hook, AtomicCheckpointHook))
    return next(hooks, None)


def _optimizers(runner: Runner) -> list[torch.optim.Optimizer]:
    """Return the optimizers of a run, none before they are built."""
    wrapper = runner.optim_wrapper
    several = isinstance(wrapper, OptimWrapperDict)
    optimizers = [
        getattr(one, 'optimizer', None)
        for one in (wrapper.optim_wrappers.values() if several else [wrapper])
    ]
    return [one for one in optimizers if isinstance(one, torch.optim.Optimizer)]


def _agree(broken: list[str]) -> list[str]:
    """Return what any process found, so that all decide the same; names cross only if needed."""
    found = torch.tensor(len(broken))
    all_reduce(found, 'max')
    if not found:
        return []
    everywhere = all_gather_object(broken)
    return list(dict.fromkeys(name for names in everywhere for name in names))


def _list(value: Any) -> list:
    return list(value) if isinstance(value, list | tuple) else []
