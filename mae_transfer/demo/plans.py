"""Defines what a comparison runs: configs, weights, seeds and work dirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIGS = 'configs/demo'
TASKS = {
    'detection': f'{CONFIGS}/mask-rcnn_vit-demo-p8_mae-pre_simple-fpn_1xb8-600i_scenes-64x64.py',
    'segmentation': f'{CONFIGS}/upernet_vit-demo-p8_mae-pre_1xb8-600i_scenes-64x64.py',
}
CAE_TASKS = {
    'detection': f'{CONFIGS}/mask-rcnn_vit-demo-p8_cae-pre_simple-fpn_1xb8-600i_scenes-64x64.py',
    'segmentation': f'{CONFIGS}/upernet_vit-demo-p8_cae-pre_1xb8-600i_scenes-64x64.py',
}


@dataclass(frozen=True)
class Start:
    """The weights from which fine-tuning starts.

    Attributes:
        task_configs: Task -> config of its fine-tuning.
        pretrain_config: Config of the pre-training; None = random weights.
        folder: Work dir of the pre-training, below that of the seed.
        tokenizer_config: Config of the tokenizer that provides the target tokens, if any.
    """

    task_configs: dict[str, str]
    pretrain_config: str | None = None
    folder: str = 'pretrain'
    tokenizer_config: str | None = None


@dataclass(frozen=True)
class Method:
    """A pre-training and the random start that it is compared with.

    Attributes:
        starts: Name of an initialization -> its weights. Pre-trainings run first, and fine-tunings
            follow in this order.
        work_dir: Default work dir.
        results: File of the records below the work dir.
        first_look: File of the picture below the work dir.
        beside: Another method, whose row is added to the table if its results are in the same work
            dir.
    """

    starts: dict[str, Start]
    work_dir: str = 'work_dirs/demo'
    results: str = 'results.json'
    first_look: str = 'first-look.png'
    beside: str | None = None


def _mae(iterations: int) -> dict[str, Start]:
    config = f'{CONFIGS}/mae_vit-demo-p8_1xb32-coslr-{iterations}i_scenes-64x64.py'
    return {'random': Start(TASKS), 'MAE': Start(TASKS, config)}


METHODS = {
    'mae': Method(_mae(2000)),
    'mae-long': Method(_mae(3600), work_dir='work_dirs/study'),
    # Fine-tuning from random weights uses the core that the pre-training leaves idle.
    'cae': Method(
        {
            'random': Start(TASKS),
            'CAE': Start(
                CAE_TASKS,
                f'{CONFIGS}/cae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py',
                'pretrain-cae',
                f'{CONFIGS}/dvae_conv-demo-p4_1xb64-coslr-1000i_scenes-32x32.py',
            ),
        },
        results='results-cae.json',
        first_look='first-look-cae.png',
        beside='mae',
    ),
}


@dataclass(frozen=True)
class Plan:
    """Runs of a comparison, and their work dir.

    Attributes:
        root: Common work dir.
        starts: See :class:`Method`.
        seeds: One pre-training and one run per task and start each.
        jobs: Parallel runs, which share the cores: small models gain little from more threads, and
            two parallel runs with one thread each are faster than two successive ones with two.
        pictures: Number of predictions to draw per run.

    Raises:
        ValueError: ``seeds`` or ``jobs`` is out of range.
    """

    root: Path
    starts: dict[str, Start]
    seeds: Sequence[int]
    jobs: int = 2
    pictures: int = 16

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                f'seeds={list(self.seeds)}: give one or more distinct numbers, none below 0'
            )
        if self.jobs < 1:
            raise ValueError(f'jobs={self.jobs}: must be at least 1')
