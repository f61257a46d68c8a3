"""Mixed precision on any device.

The forward pass runs under ``torch.autocast`` on the device of the parameters; weights, gradients
and optimizer state stay in float32. MMEngine's ``AmpOptimWrapper`` does that on accelerators only.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from mae_transfer.registry import OPTIM_WRAPPERS

DTYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Optimizer wrapper for mixed precision on CPU (bfloat16) and CUDA (bfloat16 or float16).

    float16 has a narrow range, so its loss is scaled before the backward pass; gradients are
    unscaled before they are clipped, and a step with inf or NaN is skipped (Micikevicius et al.
    2018, https://arxiv.org/abs/1710.03740). bfloat16 has the range of float32: no scaling.

    Args:
        optimizer: The optimizer; its parameters are already on the device of the training.
        dtype: ``'bfloat16'`` or ``'float16'``, or the torch dtype. float16 needs CUDA.
        loss_scale: Only for float16. ``'dynamic'``, a fixed factor, or a dict of arguments for
            ``torch.amp.GradScaler``.
        accumulative_counts: Iterations whose gradients are averaged into one update.
        clip_grad: Arguments of ``clip_grad_norm_``, or with ``type='value'`` of
            ``clip_grad_value_``.

    Raises:
        ValueError: Another dtype, one that the device lacks, or a wrong ``loss_scale``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        dtype: str | torch.dtype = 'bfloat16',
        loss_scale: str | float | dict = 'dynamic',
        accumulative_counts: int = 1,
        clip_grad: dict | None = None,
    ) -> None:
        super().__init__(optimizer, accumulative_counts, clip_grad)
        self.cast_dtype = _checked_dtype(dtype, self.device_type)
        self._fixed_scale: float | None = None
        # A disabled scaler hands losses, gradients and steps through unchanged.
        scaler_args: dict = {'enabled': self.cast_dtype == torch.float16}
        if isinstance(loss_scale, dict):
            scaler_args.update(loss_scale)
        elif isinstance(loss_scale, int | float) and loss_scale > 0:
            self._fixed_scale = scaler_args['init_scale'] = float(loss_scale)
        elif loss_scale != 'dynamic':
            raise ValueError(
                f"loss_scale must be 'dynamic', a number > 0 or a dict, got {loss_scale!r}"
            )
        if loss_scale != 'dynamic' and self.cast_dtype != torch.float16:
            raise ValueError(
                f'loss_scale={loss_scale!r} is only for float16; bfloat16 does not scale the loss'
            )
        self.loss_scaler = GradScaler(device='cuda', **scaler_args)

    @property
    def device_type(self) -> str:
        """Type of the device that holds the parameters: 'cpu', 'cuda', ..."""
        return self.optimizer.param_groups[0]['params'][0].device.type

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in mixed precision, and without gradient sync while accumulating.

        Args:
            model: The model in training, wrapped for distribution or not.
        """
        with super().optim_context(model), torch.autocast(self.device_type, self.cast_dtype):
            yield

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Add the gradients of ``loss``, a scalar, to those accumulated so far."""
        super().backward(self.loss_scaler.scale(loss), **kwargs)

    def step(self, **kwargs) -> None:
        """Unscale, clip and apply the gradients."""
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self._fixed_scale)

    def state_dict(self) -> dict:
        """State of the optimizer, with ``loss_scaler`` when the loss is scaled."""
        state = super().state_dict()
        if self.loss_scaler.is_enabled():
            state['loss_scaler'] = self.loss_scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Resume from :meth:`state_dict`, also from that of a run in another precision."""
        state_dict = dict(state_dict)
        scaler_state = state_dict.pop('loss_scaler', None)
        if self.loss_scaler.is_enabled() and scaler_state:
            self.loss_scaler.load_state_dict(scaler_state)
        elif self.loss_scaler.is_enabled():
            print_log(
                'resume: the checkpoint holds no loss scale (it was not trained in float16), '
                f'start from {self.loss_scaler.get_scale():g}',
                logger='current',
            )
        elif scaler_state:
            print_log(
                'resume: the loss scale of the checkpoint, from a float16 run, is not used in '
                'bfloat16',
                logger='current',
            )
        super().load_state_dict(state_dict)


def _checked_dtype(dtype: str | torch.dtype, device_type: str) -> torch.dtype:
    """Turn a name into a dtype that autocast supports on the device, or raise a ValueError."""
    cast_dtype = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if cast_dtype is None or cast_dtype not in DTYPES.values():
        raise ValueError(
            f"dtype must be 'bfloat16' or 'float16', got {dtype!r}; for float32 use "
            "type='OptimWrapper'"
        )
    if cast_dtype == torch.float16 and device_type != 'cuda':
        raise ValueError(
            f"dtype='float16' needs a CUDA device, the parameters are on {device_type!r}; use "
            "dtype='bfloat16'"
        )
    if device_type == 'cuda' and cast_dtype == torch.bfloat16:
        if not torch.cuda.is_bf16_supported():
            raise ValueError("this GPU does not support dtype='bfloat16'; use dtype='float16'")
    return cast_dtype
