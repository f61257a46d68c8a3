"""Sort a model's parameters into optimizer groups by depth and decay.

Layer-wise learning-rate decay as in BEiT (https://arxiv.org/abs/2106.08254), MAE
(https://arxiv.org/abs/2111.06377) and, for detectors, ViTDet (https://arxiv.org/abs/2203.16527).
A backbone of N blocks has N + 2 depths: 0 for the embeddings, i + 1 for block i, N + 1 for
everything after the blocks. A parameter of depth d learns at

    lr = base lr * layer_decay_rate ** (N + 1 - d)

so necks and heads always learn at the base rate. The backbone states the depth of its own
parameters; nothing here guesses it from names.

Which parameters are not decayed is a tuple of names, each with one meaning:

=========== ========================================================================================
``'1d'``    every parameter with at most one dimension (biases, norms, layer scales)
``'bias'``  every parameter that is called ``bias``, ``q_bias`` or ``v_bias``
``'norm'``  weight and bias of PyTorch's norm classes and their subclasses, but not of ViTDet's
            channel-first ``LayerNorm2d``, which Detectron2 does not count as a norm either
other       the end of a parameter's name in whole components: ``'pos_embed'``, ``'ls1.gamma'``
=========== ========================================================================================

Published recipes: ``('1d', 'bias')`` in MAE's pre-training; ``('1d', 'pos_embed', 'cls_token')`` in
its fine-tuning; ``('norm', 'pos_embed')`` in ViTDet's base and large, which decay the biases of
linear layers and convolutions, and ``()`` in its huge; ``('1d', 'bias')`` in the released UperNet
code, which compares 'backbone.pos_embed' with 'pos_embed' and so decays it against its intention.
"""

import copy
import math
from collections.abc import Iterable, Iterator
from numbers import Real
from typing import Protocol, cast

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from timm.layers import LayerNorm2d
from torch import nn
from torch.distributed.fsdp import FlatParameter, FullyShardedDataParallel

from mae_transfer.closest import closest
from mae_transfer.registry import OPTIM_WRAPPER_CONSTRUCTORS

BIAS_NAMES = ('bias', 'q_bias', 'v_bias')
NORM_CLASSES = (
    nn.modules.batchnorm._NormBase,  # batch, synchronized batch and instance norm
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)
# Names that a model may lack for a good reason; any other name without a match is misspelt.
OPTIONAL_NAMES = (
    *('1d', 'bias', 'norm', 'pos_embed', 'cls_token', 'mask_token', 'gamma'),
    *('rel_pos_h', 'rel_pos_w', 'relative_position_bias_table'),
)
# What DDP, torch.compile, FSDP and activation checkpointing put into the path of a parameter.
WRAPPER_COMPONENTS = frozenset(
    ('module', '_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module')
)


class KnowsDepths(Protocol):
    """A backbone that states the depth of its own parameters."""

    def get_layer_depth(self, param_name: str) -> tuple[int, int]:
        """Depth of a parameter and number of depths."""


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Build an optimizer whose learning rates follow the depth of the parameters.

    Parameters with the same depth and weight decay share a group: at most 2 * (N + 2) groups. The
    deepest group comes first, so that the ``lr`` which MMEngine logs (that of group 0) is the base
    learning rate. Each group has ``params``, ``lr`` (already scaled, since MMEngine's schedulers
    multiply the initial lr of each group), ``weight_decay`` and, for information only, ``layer_id``
    (None without layer decay), ``lr_scale`` and ``param_names`` (without wrapper prefixes). Frozen
    parameters are in no group; a shared parameter is in one, under its first name.

    Options in ``paramwise_cfg``:

    - ``layer_decay_rate`` (float > 0, default 1.0): 1 means no layer decay, and the backbone is not
      asked for depths. Recipes use 0.65 to 0.95.
    - ``no_decay`` (tuple of str): the rules in the head of this module. Default: ``'1d'``,
      ``'bias'`` and what the backbone's ``no_weight_decay()`` names.

    The backbone is any module with ``get_layer_depth(param_name) -> (depth, number of depths)``,
    wherever it sits in the model; MMPretrain's backbones have one, too.

    Args:
        optim_wrapper_cfg: Config of the optimizer wrapper. Its ``optimizer`` must state ``lr`` and
            ``weight_decay``.
        paramwise_cfg: The options above.

    Raises:
        ValueError: Unknown option, rate out of range, missing ``lr`` or ``weight_decay``, no module
            that knows depths, a parameter without depth, a ``no_decay`` name that fits no parameter
            and is not one of :data:`OPTIONAL_NAMES`.

    Examples:
        >>> optim_wrapper = dict(
        ...     optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.1),
        ...     constructor='LayerDecayOptimWrapperConstructor',
        ...     paramwise_cfg=dict(layer_decay_rate=0.7, no_decay=('norm', 'pos_embed')))
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if not isinstance(paramwise_cfg, dict | None):
            raise TypeError(f'paramwise_cfg must be a dict, got {paramwise_cfg!r}')
        options = {'layer_decay_rate': 1.0, 'no_decay': None}
        unknown = sorted(set(paramwise_cfg or ()) - set(options))
        if unknown:
            raise ValueError(
                f'paramwise_cfg: unknown option {", ".join(unknown)}; '
                f'{type(self).__name__} knows only {" and ".join(options)}'
            )
        options.update(paramwise_cfg or {})
        # OptimWrapper pops entries of nested dicts such as clip_grad: never from the caller's.
        super().__init__(copy.deepcopy(optim_wrapper_cfg), options)

    def _validate_cfg(self) -> None:
        """Check the options; called by the base class at the end of its ``__init__``."""
        for key in ('lr', 'weight_decay'):
            value = self.optimizer_cfg.get(key)
            if not isinstance(value, Real):
                raise ValueError(f'optimizer.{key} must be given as a number, got {value!r}')
        rate = self.paramwise_cfg['layer_decay_rate']
        if not isinstance(rate, Real) or not 0 < float(rate) < math.inf:
            raise ValueError(f'layer_decay_rate must be a number > 0, got {rate!r}')
        no_decay = self.paramwise_cfg['no_decay']
        if no_decay is not None and (
            not isinstance(no_decay, tuple | list)
            or not all(isinstance(name, str) and name for name in no_decay)
        ):
            raise TypeError(
                f"no_decay must be a tuple of names such as ('1d', 'pos_embed'), got {no_decay!r}"
            )

    def __call__(self, model: nn.Module):
        """Build the optimizer wrapper for ``model``."""
        # First of all: the rule '1d' asks for dimensions, and FSDP shows flat shards.
        self._ndims = _ndims_before_sharding(model)
        return super().__call__(model)

    def add_params(self, params: list[dict], module: nn.Module, **kwargs) -> None:
        """Append the groups of the whole model to ``params``; called once by the base class."""
        params.extend(self.param_groups(module))

    def param_groups(self, model: nn.Module) -> list[dict]:
        """Sort the trainable parameters of ``model`` into groups, the deepest layer first."""
        parameters = list(_named_parameters_with_owner(model))
        backbones = find_backbones(model)
        rules = self._no_decay_rules(model, backbones)
        layers = self._layer_ids(model, backbones, [name for name, _, _ in parameters])

        groups: dict[tuple, dict] = {}
        fitting_rules = set()
        num_frozen = 0
        for name, parameter, owner in parameters:
            ndim = self._ndims.get(id(parameter), parameter.ndim)
            fitting = [rule for rule in rules if fits(rule, name, ndim, owner)]
            fitting_rules.update(fitting)
            if not parameter.requires_grad:
                num_frozen += 1
                continue
            layer_id, lr_scale = layers[name]
            weight_decay = 0.0 if fitting else self.base_wd
            group = groups.setdefault(
                (layer_id, lr_scale, weight_decay),
                {
                    'params': [],
                    'lr': self.base_lr * lr_scale,
                    'weight_decay': weight_decay,
                    'layer_id': layer_id,
                    'lr_scale': lr_scale,
                    'param_names': [],
                },
            )
            group['params'].append(parameter)
            group['param_names'].append(name)

        if not groups:
            raise ValueError(f'{type(model).__name__} has no trainable parameter')
        _report_rules_without_match(
            [rule for rule in rules if rule not in fitting_rules],
            type(model).__name__,
            [name for name, _, _ in parameters],
        )
        print_log(
            f'layer_decay_rate={self.paramwise_cfg["layer_decay_rate"]}, no_decay={rules}: '
            f'{len(layers) - num_frozen} trainable tensors in {len(groups)} groups, '
            f'{num_frozen} frozen',
            logger='current',
        )
        return sorted(
            groups.values(), key=lambda group: (-(group['layer_id'] or 0), -group['weight_decay'])
        )

    def _no_decay_rules(
        self, model: nn.Module, backbones: dict[str, KnowsDepths]
    ) -> tuple[str, ...]:
        """The rules of the config, or the default ones and the names that the backbone states."""
        if self.paramwise_cfg['no_decay'] is not None:
            return tuple(self.paramwise_cfg['no_decay'])
        names = set()
        for backbone in backbones.values() or [getattr(model, 'backbone', model)]:
            no_weight_decay = getattr(backbone, 'no_weight_decay', None)
            if no_weight_decay is not None:
                names.update(no_weight_decay())
        return ('1d', 'bias', *sorted(names))

    def _layer_ids(
        self, model: nn.Module, backbones: dict[str, KnowsDepths], names: Iterable[str]
    ) -> dict[str, tuple[int | None, float]]:
        """Depth and learning-rate scale of each named parameter."""
        rate = self.paramwise_cfg['layer_decay_rate']
        if rate == 1:
            return {name: (None, 1.0) for name in names}
        if not backbones:
            backbone = getattr(model, 'backbone', model)
            raise ValueError(
                f'layer_decay_rate={rate} needs a backbone that knows the depth of its parameters, '
                f'but {type(backbone).__name__} has no method get_layer_depth(param_name) -> '
                '(depth, number of depths); implement it, or set layer_decay_rate=1.0'
            )
        layers: dict[str, tuple[int | None, float]] = {}
        outside = []
        last_ids = []
        for name in names:
            prefix = next((prefix for prefix in backbones if _is_within(name, prefix)), None)
            if prefix is None:
                outside.append(name)
                continue
            depth, num_depths = _ask_depth(backbones[prefix], name, prefix)
            # Layers near the image hold general features, which a task should change less.
            layers[name] = (depth, float(rate) ** (num_depths - 1 - depth))
            last_ids.append(num_depths - 1)
        # Necks and heads learn at the base rate, in one group with what follows the blocks.
        layers.update(dict.fromkeys(outside, (max(last_ids, default=None), 1.0)))
        return layers


def strip_wrappers(name: str) -> str:
    """Remove what wrappers add to the path of a module or parameter, anywhere in it.

    Args:
        name: Dotted path, such as ``'module.backbone._orig_mod.blocks.0.norm1.weight'``.

    Returns:
        The path in the plain model: ``'backbone.blocks.0.norm1.weight'``.
    """
    return '.'.join(part for part in name.split('.') if part not in WRAPPER_COMPONENTS)


def find_backbones(model: nn.Module) -> dict[str, KnowsDepths]:
    """Find the outermost modules that know the depth of their own parameters.

    A module that holds a ``backbone`` is passed over: the ``get_layer_depth`` of MMPretrain's
    classifiers only hands the question on to it.

    Args:
        model: Any model, wrapped or not; a bare backbone is its own answer.

    Returns:
        The modules by their path without wrappers; ``''`` is the model itself.
    """
    backbones: dict[str, KnowsDepths] = {}
    for name, module in model.named_modules():
        path = strip_wrappers(name)
        if any(_is_within(path, found) for found in backbones):
            continue
        if hasattr(module, 'get_layer_depth') and not hasattr(module, 'backbone'):
            backbones[path] = cast(KnowsDepths, module)
    return backbones


def fits(rule: str, name: str, ndim: int, owner: nn.Module) -> bool:
    """Whether a parameter falls under a no-decay rule.

    Args:
        rule: ``'1d'``, ``'bias'``, ``'norm'`` or the end of a parameter name.
        name: Path of the parameter without wrappers.
        ndim: Number of its dimensions (before any sharding).
        owner: The module that holds it.
    """
    if rule == '1d':
        return ndim <= 1
    if rule == 'norm':
        return isinstance(owner, NORM_CLASSES) and not isinstance(owner, LayerNorm2d)
    if rule == 'bias':
        return name.rpartition('.')[2] in BIAS_NAMES
    return f'.{name}'.endswith(f'.{rule}')


def _is_within(path: str, outer: str) -> bool:
    """Whether ``path`` is ``outer`` or lies in it; the empty path holds everything."""
    return outer == '' or path == outer or path.startswith(f'{outer}.')


def _named_parameters_with_owner(
    model: nn.Module,
) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    """Yield (path without wrappers, parameter, module that holds it), each parameter once."""
    seen = set()
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(path, recurse=False):
            if isinstance(parameter, FlatParameter):
                raise ValueError(
                    f'FSDP has merged the parameters of {strip_wrappers(path) or "the model"} into '
                    'one flat tensor, which cannot have several learning rates; set '
                    'use_orig_params=True in the FSDP wrapper'
                )
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield strip_wrappers(name), parameter, module


def _ndims_before_sharding(model: nn.Module) -> dict[int, int]:
    """Number of dimensions by parameter id, where FSDP shows flat shards instead.

    Every rank has to call this (it gathers the parameters once). Without FSDP it returns an empty
    dict: the parameters show their own shape.
    """
    if not any(isinstance(module, FullyShardedDataParallel) for module in model.modules()):
        return {}
    with FullyShardedDataParallel.summon_full_params(model, writeback=False):
        return {id(parameter): parameter.ndim for parameter in model.parameters()}


def _ask_depth(backbone: KnowsDepths, name: str, prefix: str) -> tuple[int, int]:
    """Ask a backbone for the depth of one parameter and check its answer."""
    own_name = name[len(prefix) + 1 :] if prefix else name
    answer = backbone.get_layer_depth(own_name)
    match answer:
        case (int(depth), int(num_depths)) if 0 <= depth < num_depths:
            return depth, num_depths
    raise ValueError(
        f'parameter {name!r} has no depth: {type(backbone).__name__}.get_layer_depth({own_name!r}) '
        f'must return (depth, number of depths) with 0 <= depth < number, got {answer!r}'
    )


def _report_rules_without_match(rules: list[str], model: str, names: list[str]) -> None:
    """Log the rules that a model may lack a parameter for; raise for any other."""
    misspelt = [rule for rule in rules if rule not in OPTIONAL_NAMES]
    if misspelt:
        candidates = {name.rpartition('.')[2] for name in names} | set(OPTIONAL_NAMES)
        hint = closest(misspelt[0], sorted(candidates))
        raise ValueError(f'no_decay: {misspelt} fit no parameter of {model}; {hint}')
    if rules:
        print_log(f'no_decay: {rules} fit no parameter of {model}', logger='current')
