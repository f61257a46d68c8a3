"""Accounts for every loaded checkpoint, in the log and in load_account.json next to it."""

import copy
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.files.checkpoint_file import stated_metadata
from mae_transfer.checkpoints.files.finite import broken_content, persistent_buffers
from mae_transfer.checkpoints.files.run_state import check_run_state
from mae_transfer.checkpoints.layouts.facts import Facts, check_facts
from mae_transfer.checkpoints.whole_file import facts_of, find_whole_model
from mae_transfer.checkpoints.whole_model import ENCODER, ModelAccount, account_of_model
from mae_transfer.compat.atomic_write import write_atomically
from mae_transfer.first_few import first_few
from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.registry import HOOKS

FILE_NAME = 'load_account.json'
HIDDEN_FACTS = ('num_heads', 'norm_eps', 'act')


@HOOKS.register_module()
class LoadAccountHook(Hook):
    """Account for every checkpoint of a run, and refuse one that does not fit.

    Encoders loaded by ``PretrainedViT`` already have an account. For a checkpoint of the whole
    model (``load_from``, ``resume``, evaluation), where MMEngine only warns, this hook builds one:
    the encoder has to match completely, and the entire model when it is resumed or evaluated. A
    classifier of MAE's or CAE's code is translated to the names of our classifiers. The accounts
    are written to ``<work_dir>/<timestamp>/load_account.json``::

        {"encoders": {"backbone": {...}}, "model": {...} or null}

    The recipes have this hook, and :mod:`mae_transfer.run` adds it to configs that have none.

    Args:
        allow_partial: Patterns (wildcards ``*`` and ``?``) of model tensors that need not match.
        whole: Whether the entire model has to match; None = only when the run resumes.

    Raises:
        ValueError: If a checkpoint does not fit, before it is loaded; names the tensors.
    """

    priority = 'VERY_HIGH'  # run before hooks that change the checkpoint

    def __init__(
        self,
        allow_partial: Sequence[str] = (),
        whole: bool | None = None,
    ) -> None:
        self.allow_partial = allow_partial
        self.whole = whole
        self.account: ModelAccount | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the checkpoint with the model before MMEngine copies what matches.

        MMEngine copies from its entry ``state_dict``, which it gets here if it has none.
        """
        model = bare_model(runner)
        path = str(getattr(runner, '_load_from', None) or 'the checkpoint')
        resumed = bool(getattr(runner, '_resume', False))
        if resumed:
            check_run_state(checkpoint, path)
        _check_finite(model, checkpoint, path, resumed)
        state = checkpoint['state_dict'] if 'state_dict' in checkpoint else copy.copy(checkpoint)
        account = account_of_model(model, state, path, self.allow_partial)
        if account.loaded:
            facts = facts_of(stated_metadata(Path(path), checkpoint))
        else:
            found = find_whole_model(Path(path), checkpoint)
            state, facts = found.tensors, found.facts
            account = account_of_model(model, state, path, self.allow_partial)
            if found.words:
                runner.logger.info(found.words)
        checkpoint['state_dict'] = state
        account.check(resumed if self.whole is None else self.whole)
        self._check_facts(model, facts, path)
        complete = not (account.missing or account.misshapen or account.left_over)
        level = logging.INFO if complete else logging.WARNING
        runner.logger.log(level, account.summary())
        self.account = account

    def _check_facts(self, model: nn.Module, facts: Facts, path: str) -> None:
        """Compare the facts that shapes do not reveal."""
        encoders = [module for module in model.modules() if isinstance(module, PlainViT)]
        if len(encoders) != 1:
            return
        try:
            check_facts(encoders[0], {f: facts[f] for f in HIDDEN_FACTS if f in facts})
        except ValueError as error:
            raise ValueError(f'{path} does not fit the model of the config: {error}') from error

    def before_train(self, runner: Runner) -> None:
        """Write the account of what the training starts from."""
        self._write(runner)
        self._tell_unused_classifier(runner)

    def before_test(self, runner: Runner) -> None:
        """Write the account of what is evaluated."""
        self._write(runner)

    def _tell_unused_classifier(self, runner: Runner) -> None:
        """Say if the file of the encoder also has the neck and the head that the model needs."""
        model = bare_model(runner)
        account = getattr(getattr(model, 'backbone', None), 'load_account', None)
        if self.account is not None or account is None or not account.classifier:
            return
        needed = {
            name: tuple(tensor.shape)
            for name, tensor in model.state_dict().items()
            if not name.startswith(ENCODER)
        }
        if needed == account.classifier:
            runner.logger.info(
                f'{account.checkpoint} has a neck or head for this model, too, which starts fresh '
                f'here; to start from it, use load_from={account.checkpoint}, and to evaluate it, '
                f'tools/test.py CONFIG {account.checkpoint}'
            )

    def _write(self, runner: Runner) -> None:
        model = bare_model(runner)
        encoders = {
            name: module.load_account.to_dict()
            for name, module in model.named_modules()
            if isinstance(module, PlainViT) and hasattr(module, 'load_account')
        }
        if not is_main_process() or not (encoders or self.account):
            return
        content = {
            'encoders': encoders,
            'model': None if self.account is None else self.account.to_dict(),
        }
        path = Path(runner.log_dir, FILE_NAME)
        write_atomically(path, json.dumps(content, indent=2) + '\n')
        runner.logger.info(f'load account: {path}')


def _check_finite(model: nn.Module, checkpoint: dict, path: str, resumed: bool) -> None:
    """Refuse numbers with which no run can go on, and no evaluation means anything."""
    used = checkpoint if resumed else {k: v for k, v in checkpoint.items() if k != 'optimizer'}
    broken = broken_content(used, persistent_buffers(model).keys())
    if broken:
        raise ValueError(
            f'{path} is refused: numbers are not finite in {first_few(broken)}, so the run that '
            'wrote it had diverged; give an earlier checkpoint'
        )
