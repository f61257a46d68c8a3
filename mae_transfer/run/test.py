"""Evaluates a checkpoint; the function behind `tools/test.py`."""

import json
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from mae_transfer.checkpoints.files.last_checkpoint import last_checkpoint
from mae_transfer.hooks.bad_files import BadFilesHook
from mae_transfer.hooks.same_classes import SameClassesHook
from mae_transfer.hooks.save_predictions import SavePredictionsHook
from mae_transfer.hooks.step_count import StepCountHook
from mae_transfer.run.check_data import check_data
from mae_transfer.run.config import (
    ConfigLike,
    config_name,
    default_work_dir,
    is_work_dir,
    read_config,
)
from mae_transfer.run.framework import import_framework
from mae_transfer.run.metric_names import paper_metrics
from mae_transfer.run.places import find_file
from mae_transfer.run.processes import is_main_process, say, start_processes
from mae_transfer.run.result import Run
from mae_transfer.run.state import restored_state
from mae_transfer.run.test_stage import set_test_stage, set_tta
from mae_transfer.run.weights import set_whole_checkpoint, trust_checkpoints

DRAWING = {
    'mmdet': 'DetLocalVisualizer',
    'mmseg': 'SegLocalVisualizer',
    'mmpretrain': 'UniversalVisualizer',
}


def test(
    config: ConfigLike,
    checkpoint: str | os.PathLike | None = None,
    *,
    work_dir: str | os.PathLike | None = None,
    tta: bool = False,
    out: str | os.PathLike | None = None,
    show_dir: str | os.PathLike | None = None,
    show_num: int | None = None,
    cfg_options: dict | None = None,
    launcher: str = 'none',
    trust_checkpoint: bool = False,
) -> Run:
    """Evaluate a checkpoint on the test data of a config; refuse it unless it fits completely.

    The arguments are those of `tools/test.py`. The state of the process is restored afterwards, so
    this can be called again.

    Args:
        config: A config file, relative to the current folder or to the checkout; a config, which is
            not changed; or the work dir of a training run, which contains its config.
        checkpoint: A checkpoint of a training run of this config, or the work dir of that run, for
            its last checkpoint; or a classifier of MAE's or CAE's code, which is translated. By
            default the last checkpoint in ``config``, if that is a work dir.
        work_dir: Folder for logs; by default the folder `test` in the training's work dir, which is
            ``config`` if that is a work dir, or else work_dirs/<config name>.
        tta: Whether to average the predictions over the views that the config's `tta_pipeline`
            makes of each picture.
        out: File for the metrics, json: {"config", "checkpoint", "metrics", "raw"}.
        show_dir: Folder for a PNG of each picture with its prediction.
        show_num: How many pictures to draw; all by default.
        cfg_options: Dotted key -> value, as `--cfg-options`.
        launcher: How the processes were started: 'none', 'pytorch' or 'slurm'.
        trust_checkpoint: Whether reading the checkpoint may run code that it contains.

    Returns:
        The work dir, and the metrics under the papers' names, in percent.

    Raises:
        FileNotFoundError: The config, the data or the checkpoint does not exist.
        ValueError: An option, the data or the checkpoint is not valid.
    """
    if show_num is not None and (not show_dir or show_num < 1):
        raise ValueError(f'--show-num {show_num}: must be at least 1, and needs --show-dir')
    with restored_state():
        cfg = read_config(config, cfg_options or {})
        if trust_checkpoint:
            trust_checkpoints()
        checkpoint = _find_checkpoint(config, checkpoint)
        cfg.work_dir = str(work_dir or _test_dir(cfg, config))
        name = config_name(cfg) or 'this config'
        set_test_stage(cfg, name)
        if tta:
            set_tta(cfg, name)
        import_framework(cfg.get('default_scope'))
        check_data(cfg, ['test_dataloader'])
        if show_dir:
            cfg.visualizer = _visualizer(cfg)
        start_processes(cfg, launcher)

        set_whole_checkpoint(cfg, checkpoint)
        runner = Runner.from_cfg(cfg)
        if show_dir:
            runner.register_hook(SavePredictionsHook(str(show_dir), show_num))
        runner.register_hook(SameClassesHook(checkpoint))
        runner.register_hook(StepCountHook())
        if not any(isinstance(hook, BadFilesHook) for hook in runner.hooks):
            runner.register_hook(BadFilesHook())
        raw = runner.test()  # loads the checkpoint, once hooks such as EMAHook have their models
        metrics = paper_metrics(raw)
        if is_main_process():
            path = config.filename if isinstance(config, Config) else str(config)
            record = {'config': path, 'checkpoint': checkpoint, 'metrics': metrics, 'raw': raw}
            _report(record, out)
            if show_dir:
                say(f'wrote pictures to {show_dir}')
        return Run(Path(cfg.work_dir), metrics)


def _test_dir(cfg: Config, config: ConfigLike) -> Path:
    """Return a folder inside the training's, whose files, above all its config, stay intact."""
    training = config if is_work_dir(config) else default_work_dir(cfg, config_name(cfg))
    return Path(training, 'test')


def _find_checkpoint(config: ConfigLike, checkpoint: str | os.PathLike | None) -> str:
    """Return the path of a checkpoint; for a work dir, that of its last one.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: None is given, and the config is not a work dir.
    """
    if checkpoint is None:
        if not is_work_dir(config):
            raise ValueError(
                'CHECKPOINT: give the checkpoint to evaluate, or the work dir of its training run'
            )
        checkpoint = config
    if not Path(checkpoint).is_dir():
        return find_file(str(checkpoint), 'CHECKPOINT')
    found = str(last_checkpoint(checkpoint))
    say(f'CHECKPOINT: {found}, the last of {checkpoint}')
    return found


def _visualizer(cfg: Config) -> dict:
    """Return the config of the visualizer for the predictions.

    Raises:
        ValueError: There is none for this config.
    """
    scope = cfg.get('default_scope')
    if scope not in DRAWING:
        raise ValueError(f'--show-dir cannot draw predictions for a config of {scope}')
    return dict(type=DRAWING[scope], vis_backends=[], name='visualizer')


def _report(record: dict, out: str | os.PathLike | None) -> None:
    """Print the metrics of a record, and write the record to ``out`` as json, if given."""
    say(
        '\n'.join(
            f'{name:>12} {"-" if value is None else format(value, ".2f")}'
            for name, value in record['metrics'].items()
        )
    )
    if out:
        raw = {
            name: value if isinstance(value, str) else float(value)
            for name, value in record['raw'].items()
        }
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path(out).write_text(json.dumps({**record, 'raw': raw}, indent=2) + '\n', encoding='utf-8')
        say(f'wrote {out}')
