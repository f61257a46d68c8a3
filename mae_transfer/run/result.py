"""Defines what a training or an evaluation returns."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """Result of a run.

    Attributes:
        work_dir: Folder of its logs, checkpoints and results.
        metrics: Name in the papers -> value, in percent, from the last validation or the test.
            Empty if nothing was evaluated.
    """

    work_dir: Path
    metrics: dict[str, float | None] = field(default_factory=dict)
