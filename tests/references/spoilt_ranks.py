"""Program of one rank of two, of which the second is spoilt: replicated and sharded training.

Started in ``tests/hooks/test_nonfinite_guard.py``; its argument is a folder to work in.
"""

from pathlib import Path

import torch
import torch.distributed as dist

from mae_transfer.compat.distributed import use_cpu_model_wrapper
from mae_transfer.hooks import NonFiniteGuardHook
from mae_transfer.hooks.nonfinite_guard import NonFiniteRunError
from mae_transfer.run.replay import replay_step
from tests.support.spoilt_steps import build, spoilt_config

SHARDED = dict(
    runner_type='FlexibleRunner', strategy=dict(type='FullyShardStrategy', units=['Linear'])
)


def run(work_dir: Path, options: dict, **spoil: object) -> tuple:
    """Train with the second of two ranks spoilt; return the guard, the loop and the warnings."""
    cfg = spoilt_config(work_dir, process=1, **spoil)
    cfg.merge_from_dict(
        options | dict(launcher='pytorch', env_cfg=dict(dist_cfg=dict(backend='gloo')))
    )
    use_cpu_model_wrapper(cfg)
    runner, warnings = build(cfg)
    error = None
    try:
        runner.train()
    except NonFiniteRunError as stop:
        error = str(stop)
    dist.barrier()
    guard = next(hook for hook in runner.hooks if isinstance(hook, NonFiniteGuardHook))
    return guard, runner.train_loop, [line for line in warnings if 'skipped' in line], error


def main(folder: Path) -> None:
    """Check, on each rank, that both did the same."""
    dist.init_process_group('gloo')
    for name, options in (('replicated', {}), ('sharded', SHARDED)):
        guard, loop, lines, error = run(folder / name, options, counts=2, steps=[2, 5, 6, 7])
        assert error is None
        assert guard.skipped == [2, 5, 6, 7], guard.skipped
        assert loop.rolled_back == [(6, str(folder / name / 'iter_3.pth'))], loop.rolled_back
        assert 'its loss is inf on process 1' in lines[0], lines
        weights = torch.load(folder / name / 'iter_12.pth', weights_only=False)['state_dict']
        assert all(value.isfinite().all() for value in weights.values())
        kept = folder / name / 'nonfinite' / 'iter_2'
        assert sorted(path.name for path in kept.iterdir()) == [
            'batch.pth', 'config.py', 'incident.json', 'random_states.pth', 'weights.pth',
        ]  # fmt: skip
        dist.barrier()
        replay = replay_step(kept)
        # The hook that spoils the model is not part of a replay, so it is finite there.
        assert not replay.reproduced and replay.loss > 0
        guard, _, _, error = run(folder / f'{name}-stop', options, after=0)
        assert guard.skipped == [1, 2, 3] and 'no good checkpoint' in error
    dist.destroy_process_group()
