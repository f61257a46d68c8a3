"""Each step of training, validation and test counts as a sign that the run goes on."""

from mae_transfer.hooks.step_count import StepCountHook
from mae_transfer.processes import heartbeat


def test_step_count__of_each_loop(monkeypatch):
    class Counter:
        steps = 0

    monkeypatch.setattr(heartbeat, '_heartbeat', counter := Counter())
    hook = StepCountHook()
    for count, name in enumerate(('after_train_iter', 'after_val_iter', 'after_test_iter'), 1):
        getattr(hook, name)(None, batch_idx=0, data_batch=None, outputs=None)
        assert counter.steps == count
