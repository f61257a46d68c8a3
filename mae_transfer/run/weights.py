"""Sets the weights that a run starts from or resumes, and accounts for them."""

import os
from collections.abc import Collection
from pathlib import Path

from mmengine.config import Config

from mae_transfer.backbones.timm_weights import TIMM
from mae_transfer.checkpoints.files.last_checkpoint import find_last_checkpoint
from mae_transfer.compat.safe_load import TRUST_VARIABLE
from mae_transfer.run.processes import say

INIT_CFG = 'model.backbone.init_cfg'


def trust_checkpoints() -> None:
    """Apply `--trust-checkpoint` to every file that this process reads."""
    os.environ[TRUST_VARIABLE] = '1'


def set_resume(cfg: Config, resume: str | os.PathLike | None) -> str | None:
    """Set `resume` and `load_from` of the config.

    Args:
        cfg: The config, changed in place.
        resume: A checkpoint, a work dir, 'latest' or None.

    Returns:
        The checkpoint to resume from, or None.

    Raises:
        FileNotFoundError: ``resume`` names a file that does not exist, or the work dir a checkpoint
            that is gone.
        ValueError: The work dir contains checkpoints, but none is whole.
    """
    if resume is None:
        return None
    if resume == 'latest' or Path(resume).is_dir():
        found = find_last_checkpoint(cfg.work_dir if resume == 'latest' else resume)
        if found is None and resume == 'latest':
            say(
                f'WARNING: --resume: {cfg.work_dir} contains no checkpoint; training starts from '
                'scratch'
            )
            return None
        if found is None:
            raise FileNotFoundError(f'--resume: {str(resume)!r} contains no checkpoint of a run')
        if found.passed_over:
            say(f'WARNING: --resume: {found.warning()}')
        resume = found.path
    if not Path(resume).is_file():
        raise FileNotFoundError(f'--resume: there is no checkpoint {str(resume)!r}')
    cfg.resume, cfg.load_from = True, str(resume)
    say(f'resuming from {resume}')
    return str(resume)


def set_pretrained(
    cfg: Config,
    pretrained: str | os.PathLike,
    resume: str | os.PathLike | None,
    resumed: str | None,
) -> None:
    """Make the backbone start from ``pretrained``.

    A requeued job with both `--pretrained` and `--resume` reads the weights in its first run and
    its own checkpoint in later ones.

    Raises:
        FileNotFoundError: ``pretrained`` is not a file, a folder or cached weights of timm.
        ValueError: The model has no backbone, or `--resume` names a checkpoint as well.
    """
    pretrained = str(pretrained)
    by_name = pretrained.startswith(TIMM)
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
            f'--pretrained {pretrained} is ignored: the run resumes from its own checkpoint '
            f'{resumed}'
        )
        return
    # Keep the recipe's other options: CAE's fine-tuning, for example, starts fc_norm from norm.
    options = _pretrained_vit(cfg) or {}
    checkpoint = pretrained if by_name else os.path.abspath(pretrained)
    cfg.model.backbone.init_cfg = dict(options, type='PretrainedViT', checkpoint=checkpoint)


def check_start(cfg: Config, name: str | None, given: Collection[str]) -> str | None:
    """Check that a recipe for pre-trained weights gets some.

    The name of such a recipe has a part that ends in '-pre', such as 'mae-pre' or 'cae-800e-pre'.

    Args:
        cfg: The config, with weights and resume set.
        name: Name of the config, if it has one.
        given: Keys of `--cfg-options`; ``model.backbone.init_cfg=None`` requests random weights.

    Returns:
        A warning if the run would start from random weights without a request to do so.

    Raises:
        FileNotFoundError: The weights that the recipe names do not exist.
    """
    if cfg.get('resume') or cfg.get('load_from'):
        return None
    if _init_cfg(cfg):
        _check_weights_of_recipe(cfg)
        return None
    if INIT_CFG in given or not any(part.endswith('-pre') for part in (name or '').split('_')):
        return None
    return (
        f'{name} is a recipe for pre-trained weights, but this run starts from random '
        f'ones; give --pretrained FILE, or --cfg-options {INIT_CFG}=None if that is intended'
    )


def _check_weights_of_recipe(cfg: Config) -> None:
    """Check that the file for ``PretrainedViT`` exists, before reading the data."""
    checkpoint = (_pretrained_vit(cfg) or {}).get('checkpoint')
    if not checkpoint or checkpoint.startswith(TIMM) or Path(checkpoint).expanduser().exists():
        return
    raise FileNotFoundError(
        f'{INIT_CFG}.checkpoint={checkpoint!r}: there is no such file. Give the weights with '
        '--pretrained FILE_OR_WORK_DIR, put released ones there (configs/weights.md lists their '
        f'sources), or start from random ones with --cfg-options {INIT_CFG}=None'
    )


def skip_weights_of_recipe(cfg: Config, allow_partial: Collection[str]) -> None:
    """Do not read the encoder that a recipe names if `load_from` replaces all of it.

    Args:
        cfg: The config, changed in place.
        allow_partial: Patterns of `--allow-partial`: what does not match keeps the values of the
            recipe's file, which is read then.
    """
    recipe = _pretrained_vit(cfg)
    if recipe is None or allow_partial or not cfg.get('load_from') or cfg.get('resume'):
        return
    cfg.model.backbone.init_cfg = None
    say(
        f'load_from={cfg.load_from}: the whole encoder comes from it, {recipe["checkpoint"]} is '
        'not read'
    )


def _init_cfg(cfg: Config) -> dict | list | None:
    return (cfg.model.get('backbone') or {}).get('init_cfg')


def _pretrained_vit(cfg: Config) -> dict | None:
    """Return the ``init_cfg`` of the backbone if it is a PretrainedViT."""
    init_cfg = _init_cfg(cfg)
    if isinstance(init_cfg, dict) and init_cfg.get('type') == 'PretrainedViT':
        return init_cfg
    return None


def set_load_account(cfg: Config, allow_partial: list[str]) -> None:
    """Account for every checkpoint of the run; tensors in `--allow-partial` need not match.

    Raises:
        ValueError: `--allow-partial` is given, but nothing is loaded.
    """
    if not allow_partial:
        _set_account_hook(cfg)
        return
    _set_account_hook(cfg, allow_partial=allow_partial)
    init_cfg = _pretrained_vit(cfg)
    if init_cfg is not None:
        init_cfg['allow_partial'] = allow_partial
    elif not cfg.get('load_from') and not cfg.get('resume'):
        raise ValueError(
            f'--allow-partial {" ".join(allow_partial)}: this run loads no checkpoint; give '
            '--pretrained, --resume or load_from'
        )


def set_whole_checkpoint(cfg: Config, checkpoint: str) -> None:
    """Load the checkpoint of an evaluation, all of which has to match the model.

    Args:
        cfg: The config, changed in place.
        checkpoint: The file.
    """
    cfg.load_from, cfg.resume = checkpoint, False
    _set_account_hook(cfg, whole=True)


def _set_account_hook(cfg: Config, **arguments: object) -> None:
    """Give the config's one LoadAccountHook these arguments; configs of others have none yet."""
    hooks = list(cfg.get('custom_hooks') or ())
    if not any(hook['type'] == 'LoadAccountHook' for hook in hooks):
        hooks.append(dict(type='LoadAccountHook'))
    cfg.custom_hooks = [
        dict(hook, **arguments) if hook['type'] == 'LoadAccountHook' else hook for hook in hooks
    ]
