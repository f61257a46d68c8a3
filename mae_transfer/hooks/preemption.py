"""Ends a run at a signal after the current step, with a checkpoint of that step."""

from mmengine.hooks import Hook

from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Ends a run at a signal after the current step, with a checkpoint of that step."""

    priority = 'LOWEST'
