"""Gives every run the hooks that keep its work safe, whatever config it comes from."""

from mmengine.config import Config

# Name in default_hooks -> the hook; configs/_base_/default_runtime.py has the same.
GUARDS = {
    'random_state': 'RandomStateHook',
    'bad_files': 'BadFilesHook',
    'nonfinite': 'NonFiniteGuardHook',
    'preemption': 'PreemptionHook',
}
PLAIN = 'CheckpointHook'


def set_guards(cfg: Config) -> None:
    """Add the guards that a config lacks; one that it sets to None is left out.

    MMEngine's own checkpoint hook becomes ours, which takes the same options.
    """
    guards = {name: dict(type=kind) for name, kind in GUARDS.items()}
    hooks = {'checkpoint': dict(type=PLAIN), **guards, **(cfg.get('default_hooks') or {})}
    checkpoint = hooks['checkpoint']
    if checkpoint and checkpoint.get('type') == PLAIN and not checkpoint.get('file_client_args'):
        hooks['checkpoint'] = {**checkpoint, 'type': 'AtomicCheckpointHook'}
    cfg.default_hooks = {
        name: hook for name, hook in hooks.items() if hook is not None or name not in GUARDS
    }


def without_guards(hooks: dict) -> dict:
    """Return default hooks without the guards, for a trial run that is thrown away."""
    return {name: hook for name, hook in hooks.items() if name not in GUARDS}
