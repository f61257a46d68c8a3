"""Saves the random states of every process in checkpoints, and restores them."""

from mmengine.hooks import Hook

from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Saves the random states of every process in checkpoints, and restores them."""

    priority = 'LOWEST'
