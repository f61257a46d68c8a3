"""Turns on mixed precision for any device."""

import torch
from mmengine.config import Config

CPU_AND_NEW_GPUS, OLD_GPUS = 'bfloat16', 'float16'


def set_amp(cfg: Config) -> None:
    """Train in mixed precision on the available device; a dtype in the config is kept.

    Raises:
        ValueError: The config's optimizer wrapper cannot be replaced.
    """
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'AutocastOptimWrapper'):
        raise ValueError(
            f'--amp cannot replace optim_wrapper.type={kind!r}: set its precision in the config'
        )
    cfg.optim_wrapper.type = 'AutocastOptimWrapper'
    old_gpu = torch.cuda.is_available() and not torch.cuda.is_bf16_supported()
    cfg.optim_wrapper.setdefault('dtype', OLD_GPUS if old_gpu else CPU_AND_NEW_GPUS)
