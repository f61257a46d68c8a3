"""Accounts for every loaded checkpoint, in the log and in load_account.json next to it."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.files.checkpoint_file import METADATA_KEY
from mae_transfer.checkpoints.files.metadata import check_metadata
from mae_transfer.checkpoints.layouts.facts import METADATA, check_facts
from mae_transfer.checkpoints.whole_model import ModelAccount, account_of_model
from mae_transfer.hooks.bare_model import bare_model
from mae_transfer.registry import HOOKS

FILE_NAME = 'load_account.json'


@HOOKS.register_module()
class LoadAccountHook(Hook):
    """Account for every checkpoint of a run, and refuse one that does not fit.

    Encoders loaded by ``PretrainedViT`` already have an account. For a checkpoint of the whole
    model (``load_from``, ``resume``, evaluation), where MMEngine only warns, this hook builds one:
    the encoder has to match completely, and the entire model when it is resumed or evaluated. The
    accounts are written to ``<work_dir>/<timestamp>/load_account.json``::

        {"encoders": {"backbone": {...}}, "model": {...} or null}

    The recipes have this hook, and :mod:`mae_transfer.run` adds it to configs that have none.

    Args:
        allow_partial: Patterns (wildcards ``*`` and ``?``) of model tensors that need not match.
        whole: Whether the entire model has to match; None = only when the run resumes.
        checkpoint: The file, if the runner does not know it.

    Raises:
        ValueError: If a checkpoint does not fit, before it is loaded; names the tensors.
    """

    priority = 'VERY_HIGH'  # run before hooks that change the checkpoint

    def __init__(
        self,
        allow_partial: Sequence[str] = (),
        whole: bool | None = None,
        checkpoint: str | None = None,
    ) -> None:
        self.allow_partial = allow_partial
        self.whole = whole
        self.checkpoint = checkpoint
        self.account: ModelAccount | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the checkpoint with the model before MMEngine copies what matches."""
        model = bare_model(runner)
        path = str(self.checkpoint or getattr(runner, '_load_from', None) or 'the checkpoint')
        state = checkpoint.get('state_dict', checkpoint)
        account = account_of_model(model, state, path, self.allow_partial)
        whole = bool(getattr(runner, '_resume', False)) if self.whole is None else self.whole
        account.check(whole)
        self._check_metadata(model, (checkpoint.get('meta') or {}).get(METADATA_KEY), path)
        complete = not (account.missing or account.misshapen or account.left_over)
        level = logging.INFO if complete else logging.WARNING
        runner.logger.log(level, account.summary())
        self.account = account

    def _check_metadata(self, model: nn.Module, block: dict | None, path: str) -> None:
        """Compare the facts that shapes do not reveal: heads, epsilon, activation."""
        encoders = [module for module in model.modules() if isinstance(module, PlainViT)]
        if block is None or len(encoders) != 1:
            return
        try:
            check_metadata(block)
            facts = ('num_heads', 'norm_eps', 'act')
            check_facts(encoders[0], {f: (block[f], METADATA) for f in facts if f in block})
        except ValueError as error:
            raise ValueError(f'{path} does not fit the model of the config: {error}') from error

    def before_train(self, runner: Runner) -> None:
        """Write the account of what the training starts from."""
        self._write(runner)

    def before_test(self, runner: Runner) -> None:
        """Write the account of what is evaluated."""
        self._write(runner)

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
        path.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
        runner.logger.info(f'load account: {path}')
