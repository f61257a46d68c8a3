"""Writes checkpoints so that a run killed at any moment can be resumed."""

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mae_transfer.checkpoints.files.last_checkpoint import POINTER
from mae_transfer.compat.atomic_write import remove_leftovers, write_atomically
from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook`` in an order that never leaves a run without a checkpoint.

    The new checkpoint is complete on the disk before ``last_checkpoint`` names it, and named before
    an old one is removed; the base class removes first. The best checkpoint, too, is removed only
    after its successor has been written. While a checkpoint is written, the disk holds one more
    than ``max_keep_ckpts``; it stays there if the run is killed between naming and removing.
    Unfinished files of killed runs are removed when the next run in the same folder starts.

    Args:
        **kwargs: Those of ``CheckpointHook``.

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

    def before_train(self, runner: Runner) -> None:
        """Find the folder of the checkpoints and remove unfinished files."""
        super().before_train(runner)
        if not is_main_process():
            return
        for path in [
            *remove_leftovers(self.out_dir, '*.pth'),
            *remove_leftovers(runner.work_dir, POINTER),
        ]:
            runner.logger.info(f'Removed {path}, left unfinished by a killed run.')

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Write a checkpoint, point to it, then remove the outdated one."""
        outdated = self._keep(runner, step) if self.max_keep_ckpts > 0 else None
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            write_atomically(Path(runner.work_dir, POINTER), self.last_ckpt)
        if outdated is not None:
            self._remove(self.file_backend.join_path(self.out_dir, outdated))

    def save_now(self, runner: Runner) -> str:
        """Write a checkpoint of the step that just ended."""
        loop = runner.train_loop
        by_epoch = hasattr(loop, 'run_epoch')
        ended = by_epoch and loop.iter == (loop.epoch + 1) * len(loop.dataloader)
        steps = loop.iter if ended else loop.iter + 1
        name = f'epoch_{loop.epoch + 1}.pth' if ended else f'iter_{steps}.pth'
        path = Path(self.out_dir, name)
        if not path.exists():
            meta = dict(epoch=loop.epoch + int(ended), iter=steps)
            runner.save_checkpoint(self.out_dir, name, meta=meta, by_epoch=ended)
            if is_main_process():
                write_atomically(Path(runner.work_dir, POINTER), str(path))
        return str(path)

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
        if not self.save_best:
            return
        one = len(self.key_indicators) == 1
        best: dict[str, Any] = self.__dict__ if one else self.best_ckpt_path_dict
        former = {name: best[name] for name in (['best_ckpt_path'] if one else best)}
        best.update(dict.fromkeys(former))  # the base class would remove these
        super()._save_best_checkpoint(runner, metrics)
        for name, path in former.items():
            if best[name] is None:
                best[name] = path
            elif path and path != best[name]:
                self._remove(path)

    def _remove(self, path: str) -> None:
        """Remove a checkpoint, which may be a folder, if it still exists."""
        if not is_main_process():
            return
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):
            self.file_backend.rmtree(path)
