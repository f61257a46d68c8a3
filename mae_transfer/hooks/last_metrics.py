"""Keeps the metrics of the last validation of a training run."""

from mmengine.hooks import Hook
from mmengine.runner import Runner


class LastMetricsHook(Hook):
    """Store the metrics of the last validation for the caller of a training run.

    Attributes:
        metrics: Name in the evaluator -> value; empty before the first validation.
    """

    def __init__(self) -> None:
        self.metrics: dict[str, object] = {}

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Keep them."""
        self.metrics = dict(metrics or {})
