import pytest
from mmengine.config import Config

from mae_transfer.run.guards import GUARDS, set_guards
from mae_transfer.run.places import ROOT


@pytest.mark.parametrize(
    'given, expected',
    [
        (dict(), dict(type='AtomicCheckpointHook')),
        (
            dict(checkpoint=dict(type='CheckpointHook', interval=3)),
            dict(type='AtomicCheckpointHook', interval=3),
        ),
        (dict(checkpoint=dict(type='Other')), dict(type='Other')),
        (dict(checkpoint=None), None),
    ],
)
def test_set_guards__checkpoints_of_every_config_are_safe(given, expected):
    cfg = Config(dict(default_hooks=given))
    set_guards(cfg)
    assert cfg.default_hooks.get('checkpoint') == expected


def test_guards__are_those_of_the_recipes():
    hooks = Config.fromfile(ROOT / 'configs/_base_/default_runtime.py').default_hooks
    stated = {name: hook.type for name, hook in hooks.items() if name in GUARDS}
    assert stated == GUARDS and hooks.checkpoint.type == 'AtomicCheckpointHook'


def test_set_guards__leaves_out_what_is_set_to_none():
    cfg = Config(dict(default_hooks=dict(preemption=None)))
    set_guards(cfg)
    assert cfg.default_hooks.keys() == {'checkpoint', *GUARDS} - {'preemption'}
