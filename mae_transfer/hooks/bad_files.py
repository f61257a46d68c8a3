"""Counts the pictures that could not be read, and stops a run that has too many of them."""

from typing import Any

from mmengine.dist import broadcast_object_list, get_rank
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from torch import distributed as dist
from torch import tensor

from mae_transfer.data.bad_files import JUDGED_FROM, BadFiles, are_too_many, max_bad_share
from mae_transfer.data.evaluated_pictures import check_evaluated_pictures
from mae_transfer.data.guarded_loading import guard_loading
from mae_transfer.first_few import first_few
from mae_transfer.processes.control_group import control_group
from mae_transfer.registry import HOOKS


@HOOKS.register_module()
class BadFilesHook(Hook):
    """Counts the pictures that could not be read, and stops a run that has too many of them.

    The training loops draw another sample in place of one whose picture or mask cannot be read, and
    list the file in `<work_dir>/bad_files.txt`. This hook warns of the first one, sums up at the
    end, and stops the run, all processes in the same step, if the share of such draws is above
    `data.max_bad_share` of the config. In an evaluation each broken file is an error.

    Args:
        interval: Steps between two looks at the counters of all processes. A single process, or one
            that is allowed no bad file, looks after each step.
    """

    priority = 'NORMAL'

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self.share = 0.0
        self.bad_files: BadFiles | None = None
        self.group: Any = None  # of all processes; None for a single process
        self.draws = self.bad = 0  # of all processes
        self.warned = False
        self.guarded: list[object] = []

    def before_train(self, runner: Runner) -> None:
        """Check the pictures of the validation, and find the counters of the training data."""
        self.share = max_bad_share(runner.cfg)
        if runner.val_loop is not None:
            self._guard(runner, runner.val_loop)
        self.bad_files = getattr(runner.train_dataloader.dataset, 'bad_files', None)
        if self.bad_files is None:
            runner.logger.warning(
                f'{type(runner.train_loop).__name__} does not replace pictures that cannot be '
                'read: the first one will end this run'
            )
            return
        self.group = control_group()
        if runner.iter == 0 and get_rank() == 0:  # a resumed run goes on with its list
            self.bad_files.forget()
        if self.group is not None:
            dist.barrier(self.group)  # before any process adds to the list

    def before_val(self, runner: Runner) -> None:
        """Let the loading steps name what they cannot read."""
        self._guard(runner, runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Check the pictures of the test."""
        self._guard(runner, runner.test_loop)

    def _guard(self, runner: Runner, loop: BaseLoop) -> None:
        """Check the pictures of an evaluation once, in the first process, for all of them.

        Raises:
            ValueError: A picture or mask is broken.
        """
        dataset = loop.dataloader.dataset
        if any(dataset is guarded for guarded in self.guarded):
            return
        self.guarded.append(dataset)
        guard_loading(dataset)
        failure: list[str | None] = [None]
        if get_rank() == 0:
            try:
                if told := check_evaluated_pictures(dataset):
                    runner.logger.warning(told)
            except ValueError as error:
                failure = [str(error)]
        broadcast_object_list(failure)
        if failure[0]:
            raise ValueError(failure[0])

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        """Look at the counters.

        Raises:
            ValueError: Too many samples could not be read.
        """
        if self.bad_files is None:
            return
        last = runner.iter + 1 == runner.max_iters
        every = 1 if self.group is None or self.share == 0 else self.interval
        if last or self.every_n_train_iters(runner, every):
            self._judge(runner, self.bad_files, last)

    def _judge(self, runner: Runner, bad_files: BadFiles, last: bool) -> None:
        samples = len(runner.train_dataloader.dataset)
        counted = tensor(bad_files.totals())
        if self.group is not None:
            dist.all_reduce(counted, group=self.group)
        self.draws, self.bad = counted.tolist()
        if not self.bad:
            return
        if not self.warned:
            self.warned = True
            runner.logger.warning(
                f'replaced a picture that cannot be read: {_names(bad_files, 1)}; others will be '
                f'replaced as well, and listed in {bad_files.path}'
            )
        seen_enough = last or self.share == 0 or self.draws >= min(JUDGED_FROM, samples)
        if seen_enough and are_too_many(self.bad, self.draws, samples, self.share):
            raise ValueError(
                f'{self.bad} of {self.draws} draws ({self._percent()}) were pictures or masks that '
                f'cannot be read, more than data.max_bad_share={self.share:g} allows: '
                f'{_names(bad_files, 3)}; repair the files that {bad_files.path} lists, take them '
                'out of the data, or raise data.max_bad_share'
            )

    def after_train(self, runner: Runner) -> None:
        """Sum up what could not be read."""
        if self.bad_files is None or not self.bad:
            return
        runner.logger.warning(
            f'{len(self.bad_files.listed())} files of {len(runner.train_dataloader.dataset)} '
            f'samples could not be read and were replaced {self.bad} times ({self._percent()} of '
            f'{self.draws} draws): {_names(self.bad_files, 10)}; {self.bad_files.path} lists '
            'all of them'
        )

    def _percent(self) -> str:
        return f'{100 * self.bad / self.draws:.3g} %'


def _names(bad_files: BadFiles, most: int) -> str:
    """Name the first listed files with their reasons."""
    return first_few([f'{path} ({why})' for path, why in bad_files.listed().items()], most)
