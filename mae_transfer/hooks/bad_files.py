"""Counts the pictures that could not be read, and stops a run that has too many of them."""

from mmengine.hooks import Hook

from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class BadFilesHook(Hook):
    """Counts the pictures that could not be read, and stops a run that has too many of them."""

    priority = 'NORMAL'
