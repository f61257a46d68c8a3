"""Train with weights, gradients and optimizer state sharded over all processes (FSDP).

PyTorch's second FSDP (``fully_shard``) keeps the model's class and parameter names, so layer decay,
hooks and checkpoints see the model they know, and it runs on CPUs, too. MMEngine's own strategy is
built on the first FSDP, which needs GPUs and wraps the model.
"""

import re
from collections.abc import Callable, Sequence
from typing import cast

import torch
from mmengine._strategy import DDPStrategy
from mmengine.device import get_device
from mmengine.dist import get_world_size, is_distributed, is_main_process
from mmengine.optim import BaseOptimWrapper
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from mae_transfer.registry import STRATEGIES

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@STRATEGIES.register_module()
class FullyShardStrategy(DDPStrategy):
    """Fully sharded data parallelism (Zhao et al. 2023, https://arxiv.org/abs/2304.11277).

    For MMEngine's ``FlexibleRunner``: ``runner_type='FlexibleRunner'``,
    ``strategy=dict(type='FullyShardStrategy')``. Every transformer block is a unit: its weights are
    gathered before it runs and freed after it. Checkpoints are unsharded, in the format of an
    ordinary run, so any number of processes can resume from them, sharded or not. A single process
    has nothing to shard and trains as usual.

    Args:
        units: Class names of the modules that are units.
        reshard_after_forward: Whether a unit frees its gathered weights between the forward and the
            backward pass; False spends memory to save one exchange.
        param_dtype: 'bfloat16' sends weights in half the bytes; None sends them as they are. Under
            ``AutocastOptimWrapper`` the computation is in its precision in both cases.
        kwargs: Arguments of MMEngine's ``DDPStrategy``, such as ``sync_bn``.

    Raises:
        ValueError: ``param_dtype`` is unknown, the model has no module of the ``units``, or the
            optimizer wrapper computes in float16.
    """

    def __init__(
        self,
        *,
        units: Sequence[str] = ('Block',),
        reshard_after_forward: bool = True,
        param_dtype: str | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if param_dtype not in (None, 'bfloat16', 'float32'):
            raise ValueError(f"param_dtype={param_dtype!r}: must be None, 'bfloat16' or 'float32'")
        self.units = tuple(units)
        self.reshard_after_forward = reshard_after_forward
        self.param_dtype: torch.dtype | None = getattr(torch, param_dtype) if param_dtype else None

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        """Move the model to its device and shard it, in place."""
        model = model.to(get_device())
        if not is_distributed():
            # Past DDPStrategy, whose method needs processes to synchronize batch norms over.
            return super(DDPStrategy, self).convert_model(model)
        model = self.convert_model(model)
        units = [module for module in model.modules() if type(module).__name__ in self.units]
        if not units:
            raise ValueError(
                f'FullyShardStrategy(units={self.units}): the model has no module of such a class; '
                'name the class of its blocks'
            )
        mesh = init_device_mesh(torch.device(get_device()).type, (get_world_size(),))
        precision = MixedPrecisionPolicy(
            param_dtype=self.param_dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
        )
        for module in [*units, model]:
            fully_shard(
                module,
                mesh=mesh,
                mp_policy=precision,
                reshard_after_forward=self.reshard_after_forward,
            )
        return model

    def build_optim_wrapper(
        self, optim_wrapper: dict, model: nn.Module | None = None
    ) -> BaseOptimWrapper:
        """Build the optimizer of the sharded model."""
        if is_distributed() and optim_wrapper.get('dtype') in ('float16', torch.float16):
            raise ValueError(
                "FullyShardStrategy with optim_wrapper.dtype='float16': each process would scale "
                "its own losses and skip its own steps; use 'bfloat16', which needs no scaling"
            )
        return super().build_optim_wrapper(optim_wrapper, model)

    # ---- checkpoints: unsharded, in the format of an ordinary run ----------------------------

    def model_state_dict(self) -> dict:
        """All weights on the first process, nothing on the others; every process has to call it."""
        return get_model_state_dict(self.model, options=WHOLE)

    def load_model_state_dict(
        self, state_dict: dict, *, strict: bool = False, revise_keys: list | None = None
    ) -> None:
        """Give each process its part of an unsharded state dict."""
        for pattern, replacement in revise_keys or [(r'^module\.', '')]:
            state_dict = {re.sub(pattern, replacement, k): v for k, v in state_dict.items()}
        options = StateDictOptions(full_state_dict=True, strict=strict)
        result = set_model_state_dict(self.model, state_dict, options=options)
        if result.missing_keys or result.unexpected_keys:
            self.logger.warning(
                f'load_checkpoint: missing {sorted(result.missing_keys)}, '
                f'unexpected {sorted(result.unexpected_keys)}'
            )

    def _names_by_group(self) -> list[list[str]]:
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        groups = self.optim_wrapper.optimizer.param_groups
        return [[names[id(parameter)] for parameter in group['params']] for group in groups]

    def optim_state_dict(self) -> dict:
        """State of the optimizer, unsharded, by numbers of parameters as an optimizer has it."""
        optimizer = self.optim_wrapper.optimizer
        state = self.optim_wrapper.state_dict()  # with the loss scale, if there is one
        whole = get_optimizer_state_dict(self.model, optimizer, options=WHOLE)
        number = {
            name: i
            for i, name in enumerate(name for names in self._names_by_group() for name in names)
        }
        gathered = cast(dict, whole.get('state', {}))  # empty except on the first process
        state['state'] = {number[name]: value for name, value in gathered.items()}
        return state

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Give each process its part of an unsharded optimizer state."""
        names = [name for group in self._names_by_group() for name in group]
        state = {names[i]: value for i, value in state_dict['state'].items()}
        groups = [
            {**group, 'params': own}
            for group, own in zip(state_dict['param_groups'], self._names_by_group(), strict=True)
        ]
        optimizer = self.optim_wrapper.optimizer
        set_optimizer_state_dict(
            self.model,
            optimizer,
            dict(state=state, param_groups=groups),
            options=StateDictOptions(full_state_dict=True),
        )
        # Once more through the wrapper, which may keep a loss scale besides.
        self.optim_wrapper.load_state_dict({**state_dict, **optimizer.state_dict()})

    def save_checkpoint(
        self,
        filename: str,
        *,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        extra_ckpt: dict | None = None,
        callback: Callable | None = None,
    ) -> None:
        """Gather on all processes, write on the first."""
        if is_main_process():
            super().save_checkpoint(
                filename,
                save_optimizer=save_optimizer,
                save_param_scheduler=save_param_scheduler,
                extra_ckpt=extra_ckpt,
                callback=callback,
            )
        else:  # gathering is a collective operation: the others take part and drop the result
            self.model_state_dict()
            if save_optimizer:
                self.optim_state_dict()
