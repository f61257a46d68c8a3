import pytest
from mmengine.config import Config

from mae_transfer.run.guards import set_guards


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
