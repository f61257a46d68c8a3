"""Runs a step again that a training skipped because it was not finite."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mae_transfer.checkpoints.files.checkpoint_file import read_checkpoint
from mae_transfer.checkpoints.whole_model import account_of_model
from mae_transfer.kept_steps.first_nonfinite import (
    Watched,
    nonfinite_gradient,
    nonfinite_weight,
    run_parts,
    say_cause,
    watch_modules,
)
from mae_transfer.kept_steps.kept_step import as_before
from mae_transfer.kept_steps.step_bundle import CONFIG, Bundle, read_bundle
from mae_transfer.run.framework import import_framework


@dataclass(frozen=True)
class Replay:
    """What a step gave when it was run again.

    Attributes:
        bundle: The step.
        weights: Where the weights are from.
        loss: Its loss, a mean over its forward passes.
        norm: Norm of its gradient, of this process alone.
        watched: Outputs and gradients of the modules.
        cause: Where the numbers cease to be finite, in words.
    """

    bundle: Bundle
    weights: str
    loss: float
    norm: float
    watched: Watched
    cause: str

    @property
    def reproduced(self) -> bool:
        """Whether the same is not finite as in the training: the loss, or the gradient alone."""
        same_loss = math.isfinite(self.loss) == math.isfinite(float(self.bundle.incident['loss']))
        return same_loss and not math.isfinite(self.norm)


def replay_step(folder: str | Path, weights: str | None = None) -> Replay:
    """Run a kept step again: its forward passes and its backward pass.

    Args:
        folder: Folder that ``NonFiniteGuardHook`` wrote. Its config is run; nothing else in it is.
        weights: A checkpoint, or the work dir of a run, instead of the weights in the folder.

    Raises:
        FileNotFoundError: The folder is none of a kept step, or there is no such checkpoint.
        ValueError: A file is damaged or contains objects of unknown classes, or no weights are
            known, or they do not fit the model.
    """
    folder = Path(folder)
    if (folder / CONFIG).is_file():
        # The classes of data that the batch may contain are those of frameworks in use.
        import_framework(Config.fromfile(folder / CONFIG).get('default_scope'))
    bundle = read_bundle(folder)
    cfg = bundle.config
    good = bundle.incident['last_good']
    if weights is None and bundle.weights is None:
        if good is None or not Path(good).exists():
            where = '' if good is None else f', and {good!r}, the last good checkpoint, is gone'
            raise ValueError(
                f'{str(folder)!r} has no weights, as they were not finite{where}: give some with '
                '--weights'
            )
        weights = good
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    model_cfg = dict(cfg.model)
    if cfg.get('data_preprocessor'):
        model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(model_cfg)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model.to(device).train()
    _load(model, bundle, weights)
    with as_before(model, bundle.random_states), watch_modules(model) as watched:
        loss = run_parts(model, bundle.parts, lambda: _precision(cfg, device), backward=True)
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    first = watched.first_output()
    facts = dict(
        wrong_pictures=bundle.incident['wrong_pictures'],
        weight=nonfinite_weight(model),
        module=first and first[0],
        gradient=nonfinite_gradient(model),
    )
    norm = float(torch.nn.utils.get_total_norm(gradients))
    cause = say_cause(facts, first is None or first[1])
    if first is None and math.isfinite(norm):
        cause = 'all outputs and the gradient are finite'
    return Replay(bundle, weights or str(folder), loss, norm, watched, cause)


def _load(model: nn.Module, bundle: Bundle, weights: str | None) -> None:
    """Give a model the weights of a bundle, or those of a checkpoint, without foreign code."""
    tensors = bundle.weights if weights is None else read_checkpoint(weights).tensors
    account = account_of_model(model, tensors or {}, weights or str(bundle.folder))
    if account.missing or account.misshapen or account.left_over:
        raise ValueError(
            f'{account.summary()}: these weights do not fit the model of the kept step '
            f'{str(bundle.folder)!r}, give a checkpoint of its run with --weights'
        )
    model.load_state_dict(tensors or {}, strict=False)  # counters of batch norms may be absent


def _precision(cfg: Config, device: str) -> AbstractContextManager:
    """Return the precision in which a run computes; optimizer wrappers without a dtype have one."""
    wrapper = cfg.optim_wrapper
    if wrapper.get('type') not in ('AutocastOptimWrapper', 'AmpOptimWrapper'):
        return nullcontext()
    default = 'bfloat16' if wrapper.type == 'AutocastOptimWrapper' else 'float16'
    dtype = wrapper.get('dtype') or default
    return torch.autocast(device, getattr(torch, dtype) if isinstance(dtype, str) else dtype)


def replay_lines(replay: Replay) -> list[str]:
    """Describe a replay: a line for each module, then what came of it."""
    gradients: dict[str, float] = {}
    for name, size in replay.watched.gradients:
        gradients[name] = max(size, gradients.get(name, 0.0), key=lambda x: (math.isnan(x), x))
    names = [name for name, _, _ in replay.watched.outputs]
    width = max(map(len, names), default=6)
    lines = [f'{"module":<{width}}  {"output":>10}  {"gradient":>10}   largest absolute values']
    for name, size, _ in replay.watched.outputs:
        gradient = f'{gradients[name]:>10.3g}' if name in gradients else f'{"-":>10}'
        mark = '' if math.isfinite(size) else '   <- not finite'
        lines.append(f'{name:<{width}}  {size:>10.3g}  {gradient}{mark}')
    incident = replay.bundle.incident
    verdict = 'the failure was reproduced' if replay.reproduced else 'the failure did not recur'
    first = replay.watched.first_gradient()
    return [
        *lines,
        f'weights        {replay.weights}',
        f'loss           {replay.loss:.6g}, in the training {float(incident["loss"]):.6g}',
        f'gradient norm  {replay.norm:.6g}, in the training {float(incident["norm"]):.6g}',
        f'pictures       {", ".join(incident["shown"])}',
        f'cause          {replay.cause}',
        *([f'backward pass  the first gradient that is not finite is that of {first}']
          if first else []),
        f'iteration {incident["iteration"]}: {verdict}',
    ]  # fmt: skip
