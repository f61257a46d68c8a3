"""What a run starts from: pre-trained weights, a checkpoint to resume, and the account of both."""

import os
from pathlib import Path

from mmengine.config import Config

from mae_transfer.compat.safe_load import TRUST_VARIABLE
from mae_transfer.run.processes import say


def trust_checkpoints() -> None:
    """Do what `--trust-checkpoint` says, for every file that this process reads."""
    os.environ[TRUST_VARIABLE] = '1'


def set_resume(cfg: Config, resume: str | None) -> str | None:
    """Set `resume` and `load_from` of the config.

    Args:
        cfg: The config, changed in place.
        resume: A checkpoint, 'latest' or None.

    Returns:
        The checkpoint to go on from, or None.

    Raises:
        FileNotFoundError: ``resume`` names a file that does not exist.
    """
    if resume is None:
        return None
    if resume == 'latest':
        pointer = Path(cfg.work_dir, 'last_checkpoint')
        if not pointer.is_file():
            say(
                f'WARNING: --resume: {cfg.work_dir} holds no checkpoint; training starts from '
                'scratch'
            )
            return None
        resume = pointer.read_text(encoding='utf-8').strip()
        if not Path(resume).is_file():  # the work dir was moved
            resume = str(Path(cfg.work_dir, Path(resume).name))
    if not Path(resume).is_file():
        raise FileNotFoundError(f'--resume: there is no checkpoint {resume!r}')
    cfg.resume, cfg.load_from = True, resume
    say(f'resuming from {resume}')
    return resume


def set_pretrained(cfg: Config, pretrained: str, resume: str | None, resumed: str | None) -> None:
    """Let the backbone start from ``pretrained``.

    A job that is requeued with both `--pretrained` and `--resume` reads the weights in its first
    run and its own checkpoint in the later ones.

    Raises:
        FileNotFoundError: Neither a file nor a folder nor cached weights of timm.
        ValueError: The model has no backbone, or an explicit checkpoint is to be resumed as well.
    """
    by_name = pretrained.startswith('timm:')
    if not by_name and not os.path.exists(pretrained):
        raise FileNotFoundError(f'--pretrained: there is no file or folder {pretrained!r}')
    if 'backbone' not in (cfg.get('model') or {}):
        raise ValueError('--pretrained: this config has no model.backbone to load weights into')
    if resumed and resume != 'latest':
        raise ValueError(
            '--pretrained and --resume CHECKPOINT contradict each other: give one of them'
        )
    if resumed:
        say(
            f'--pretrained {pretrained} is not read: the run goes on from its own checkpoint '
            f'{resumed}'
        )
        return
    former = cfg.model.backbone.get('init_cfg')
    # Another file, fitted as the recipe says: CAE's fine-tuning, for one, starts fc_norm from norm.
    options = former if isinstance(former, dict) and former.get('type') == 'PretrainedViT' else {}
    checkpoint = pretrained if by_name else os.path.abspath(pretrained)
    cfg.model.backbone.init_cfg = dict(options, type='PretrainedViT', checkpoint=checkpoint)


def set_load_account(cfg: Config, allow_partial: list[str]) -> None:
    """Account for every checkpoint of the run; what `--allow-partial` names may stay as it is.

    Raises:
        ValueError: There is something to let pass, but nothing that is loaded.
    """
    hooks = [hook for hook in cfg.get('custom_hooks') or () if hook['type'] != 'LoadAccountHook']
    cfg.custom_hooks = [*hooks, dict(type='LoadAccountHook', allow_partial=allow_partial)]
    if not allow_partial:
        return
    init_cfg = (cfg.model.get('backbone') or {}).get('init_cfg')
    if isinstance(init_cfg, dict) and init_cfg.get('type') == 'PretrainedViT':
        init_cfg['allow_partial'] = allow_partial
    elif not cfg.get('load_from') and not cfg.get('resume'):
        raise ValueError(
            f'--allow-partial {" ".join(allow_partial)}: this run loads no checkpoint; give '
            '--pretrained, --resume or load_from'
        )
