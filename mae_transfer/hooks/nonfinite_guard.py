"""Skips steps that are not finite, and goes back to a good checkpoint after several in a row."""

from mmengine.hooks import Hook

from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class NonFiniteGuardHook(Hook):
    """Skip a step that is not finite; after several in a row go back to a checkpoint."""

    priority = 'VERY_HIGH'
