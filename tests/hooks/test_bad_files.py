"""Runs on data of which some samples cannot be read."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from mae_transfer.data.picture_files import UnreadableFile
from tests.support.least_squares import Points, config
from tests.support.ranks import run_ranks


@DATASETS.register_module()
class PointsInFiles(Points):
    """Points of which some are in files that cannot be read."""

    def __init__(self, length: int, broken: tuple[int, ...]) -> None:
        super().__init__(length)
        self.broken = broken

    def __getitem__(self, index: int) -> dict:
        if index in self.broken:
            raise UnreadableFile(f'{index}.jpg', 'empty')
        return super().__getitem__(index)


def run_config(
    work_dir: Path, broken: tuple[int, ...], share: float | None, max_iters: int = 24
) -> Config:
    """A run on 40 samples, two a step."""
    loop = dict(type='AccumulatingIterTrainLoop', max_iters=max_iters)
    cfg = config(2, 1, loop, work_dir)
    cfg.train_dataloader.dataset = dict(type='PointsInFiles', length=40, broken=broken)
    cfg.default_hooks = dict(checkpoint=None, logger=None, bad_files=dict(type='BadFilesHook'))
    cfg.data = dict(max_bad_share=share)
    cfg.log_level = 'WARNING'
    cfg.param_scheduler = None
    cfg.experiment_name = f'{work_dir.parent.name}-{max_iters}'
    return cfg


def train(cfg: Config, resume_from: str | None = None) -> str:
    """Train, and return the log."""
    runner = Runner.from_cfg(cfg)
    if resume_from:
        runner.load_or_resume = lambda: setattr(runner.train_loop, '_iter', int(resume_from))
    runner.train()
    return Path(runner.log_dir, f'{runner.timestamp}.log').read_text()


def test_bad_files__a_few_are_replaced_and_summed_up(tmp_path):
    log = train(run_config(tmp_path / 'run', (3, 7), 0.1))
    assert log.count('WARNING - replaced a picture that cannot be read: ') == 1
    found = re.search(
        r'WARNING - 2 files of 40 samples .* replaced (\d+) times \((.+) % of (\d+) draws\): '
        r'(.+\(empty\)), (.+\(empty\)); .*bad_files.txt lists all',
        log,
    )
    bad, share, draws = int(found[1]), float(found[2]), int(found[3])
    assert draws == 48 + bad and share == pytest.approx(100 * bad / draws, rel=0.01)
    assert {found[4], found[5]} == {'3.jpg (empty)', '7.jpg (empty)'}


def test_bad_files__nothing_to_tell(tmp_path):
    log = train(run_config(tmp_path / 'run', (), 0.0))
    assert 'cannot be read' not in log and 'replaced' not in log
    assert not (tmp_path / 'run' / 'bad_files.txt').exists()


def test_bad_files__too_many_stop_the_run(tmp_path):
    runner = Runner.from_cfg(run_config(tmp_path / 'run', tuple(range(16)), 0.1))
    with pytest.raises(ValueError, match=(
        r'(\d+) of (\d+) draws \(\d+(\.\d+)? %\) were .* than data.max_bad_share=0.1 allows: '
        r'\d+.jpg \(empty\), .* more; repair .*run/bad_files.txt lists'
    )):  # fmt: skip
        runner.train()
    assert 10 <= runner.iter < 24  # not before one pass, of 40 draws


def test_bad_files__one_percent_by_default(tmp_path):
    with pytest.raises(ValueError, match='max_bad_share=0.01 allows'):
        train(run_config(tmp_path / 'run', (3, 7), None))


def test_bad_files__none_is_allowed(tmp_path):
    runner = Runner.from_cfg(run_config(tmp_path / 'run', (3,), 0))
    with pytest.raises(ValueError, match=r'1 of \d+ draws .*max_bad_share=0 allows: 3.jpg'):
        runner.train()


def test_bad_files__a_short_run_is_judged_at_its_end(tmp_path):
    with pytest.raises(ValueError, match='max_bad_share=0.1 allows'):
        train(run_config(tmp_path / 'run', tuple(range(30)), 0.1, max_iters=3))


def test_bad_files__a_wrong_share_is_refused_before_the_first_step(tmp_path):
    runner = Runner.from_cfg(run_config(tmp_path / 'run', (), 1.5))
    with pytest.raises(ValueError, match=r'data.max_bad_share=1.5: must be'):
        runner.train()
    assert runner.iter == 0


def test_bad_files__a_new_run_has_a_new_list_and_a_resumed_one_goes_on(tmp_path):
    listed = tmp_path / 'run' / 'bad_files.txt'
    listed.parent.mkdir()
    listed.write_text('gone.jpg\tempty\n')
    train(run_config(tmp_path / 'run', (3,), 0.5, max_iters=20))
    assert listed.read_text() == '3.jpg\tempty\n'
    train(run_config(tmp_path / 'run', (3, 7), 0.5, max_iters=40), resume_from='20')
    assert listed.read_text() == '3.jpg\tempty\n7.jpg\tempty\n'


def test_bad_files__a_loop_that_replaces_nothing_is_told(tmp_path):
    cfg = run_config(tmp_path / 'run', (), None, max_iters=1)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=1)
    assert 'IterBasedTrainLoop does not replace pictures' in train(cfg)


@DATASETS.register_module()
class EvaluatedPictures(BaseDataset):
    def load_data_list(self):
        return [dict(img_path='/nowhere/0.jpg')]


def test_bad_files__a_broken_validation_picture_ends_the_run_before_it_starts(tmp_path):
    cfg = run_config(tmp_path / 'run', (), None)
    load = dict(type='LoadImageFromFile')
    cfg.val_dataloader = dict(
        batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='EvaluatedPictures', pipeline=[load]),
    )  # fmt: skip
    cfg.val_cfg = dict(type='ValLoop')
    cfg.val_evaluator = dict(type='DumpResults', out_file_path=str(tmp_path / 'out.pkl'))
    runner = Runner.from_cfg(cfg)
    with pytest.raises(ValueError, match=r'1 of 1 files to evaluate on .*0.jpg \(missing\)'):
        runner.train()
    assert runner.iter == 0


def test_bad_files__a_broken_test_picture_ends_the_test_before_it_starts(tmp_path):
    load = dict(type='LoadImageFromFile')
    cfg = Config(
        dict(
            model=dict(type='Line'),
            test_dataloader=dict(
                batch_size=1,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(type='EvaluatedPictures', pipeline=[load]),
            ),
            test_cfg=dict(type='TestLoop'),
            test_evaluator=dict(type='DumpResults', out_file_path=str(tmp_path / 'out.pkl')),
            default_hooks=dict(bad_files=dict(type='BadFilesHook')),
            work_dir=str(tmp_path),
            experiment_name=tmp_path.name,
        )
    )
    with pytest.raises(ValueError, match=r'1 of 1 files to evaluate on .*0.jpg \(missing\)'):
        Runner.from_cfg(cfg).test()


def train_on_a_rank(work_dir: Path) -> None:
    """Few bad files, then too many on one rank: both stop after the same step."""
    from mae_transfer.run.processes import start_processes

    cfg = run_config(work_dir / 'few', (3, 7), 0.2)
    start_processes(cfg, 'pytorch')
    train(cfg)
    cfg = run_config(work_dir / 'many', tuple(range(16)), 0.1, max_iters=40)
    start_processes(cfg, 'pytorch')
    runner = Runner.from_cfg(cfg)
    with pytest.raises(ValueError, match='max_bad_share=0.1 allows'):
        runner.train()
    print('stopped in step', runner.iter)


@pytest.mark.slow
def test_bad_files__of_two_processes(tmp_path):
    printed = run_ranks(train_on_a_rank, tmp_path, folder=tmp_path)
    steps = [text.strip().splitlines()[-1] for text in printed]
    assert steps[0] == steps[1] and steps[0].startswith('stopped in step')
    assert (tmp_path / 'few' / 'bad_files.txt').read_text().count('\n') == 2
    summary = re.search(r'2 files of 40 samples .* of (\d+) draws', printed[0])
    assert int(summary[1]) > 96  # those of both
