"""Reads the length of a run from its config, and changes it."""

from collections.abc import Collection
from math import ceil

from mmengine.config import Config

from mae_transfer.run.schedule import UNITS, VAL_INTERVAL, Schedule


def length_of(cfg: Config) -> tuple[str, int] | None:
    """Return the length of a config as ('max_iters' or 'max_epochs', number), if it has one."""
    train_cfg = cfg.get('train_cfg') or {}
    return next(((key, train_cfg[key]) for key in UNITS if train_cfg.get(key) is not None), None)


def count_validations(cfg: Config) -> int:
    """Count the validations of a training run by its config; they move with its length."""
    length = length_of(cfg)
    if cfg.get('val_cfg') is None or length is None:
        return 0
    return ceil(length[1] / cfg.train_cfg.get('val_interval', VAL_INTERVAL[length[0]]))


def validate_once(cfg: Config) -> None:
    """Validate only at the end of a training run."""
    length = length_of(cfg)
    if length is not None:
        cfg.train_cfg.val_interval = length[1]
        cfg.train_cfg.pop('dynamic_intervals', None)


def set_length(
    cfg: Config,
    recipe: tuple[str, int] | None,
    given: Collection[str] = (),
    *,
    iters: int | None = None,
    epochs: int | None = None,
) -> list[str]:
    """Set the length of a run and move its schedule accordingly.

    Args:
        cfg: The config, changed in place.
        recipe: Result of :func:`length_of` before `--cfg-options` were merged.
        given: Keys of `--cfg-options`; their values are not changed.
        iters: Length in iterations, which are optimizer steps.
        epochs: Length in epochs.

    Returns:
        Lines that report the changes.

    Raises:
        ValueError: The config has no length, or has parts for which no scaling rule is known.
    """
    own = length_of(cfg)
    if own is None or recipe is None:
        if iters is not None or epochs is not None:
            raise ValueError(
                'the length of this run cannot be set: train_cfg in its config has neither '
                f'{" nor ".join(UNITS)}'
            )
        return []
    schedule = Schedule(cfg, recipe[1], given)
    key, length = own
    if not isinstance(length, int) or length < 1:
        raise ValueError(f'train_cfg.{key}={length!r}: must be a whole number from 1')
    if key != recipe[0]:
        raise ValueError(
            f'train_cfg.{key}={length}: the recipe counts {UNITS[recipe[0]]}, set '
            f'train_cfg.{recipe[0]}, or the length with --iters or --epochs'
        )
    told = schedule.follow_given_warm_ups()
    if iters is not None:
        if key == 'max_epochs':
            told.append(f'--iters: {recipe[1]} epochs of {schedule.epoch} = ')
            schedule.count_iterations()
            told[-1] += f'{schedule.length} iterations'
        length = iters
    elif epochs is not None:
        length = epochs
        if key == 'max_iters':
            length *= schedule.epoch.steps
            told.append(f'--epochs: {epochs} epochs of {schedule.epoch} = {length} iterations')
    if length != schedule.length:
        told.append(schedule.move_to(length))
    return told


def check_lengths(
    given: Collection[str],
    *,
    iters: int | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
) -> None:
    """Refuse invalid lengths, and more than one length.

    Args:
        given: Keys of `--cfg-options`.
        iters: Length in iterations.
        epochs: Length in epochs.
        minutes: Length in minutes.

    Raises:
        ValueError: Two options set the length, or a length is not above 0.
    """
    flags = {'--iters': iters, '--epochs': epochs, '--minutes': minutes}
    asked = {flag: value for flag, value in flags.items() if value is not None}
    both = [*asked, *(f'train_cfg.{key}' for key in UNITS if f'train_cfg.{key}' in given)]
    if asked and len(both) > 1:
        raise ValueError(f'{" and ".join(both)} both set the length of the run: give one of them')
    for flag, value in asked.items():
        if flag == '--minutes':
            if not value > 0:
                raise ValueError(f'--minutes {value}: must be above 0')
        elif not isinstance(value, int) or value < 1:
            raise ValueError(f'{flag} {value}: must be an integer of at least 1')
