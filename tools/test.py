"""Evaluate a checkpoint on the test data of a config, for any task.

    python tools/test.py CONFIG CHECKPOINT [--tta] [--out metrics.json]
        [--show-dir FOLDER [--show-num N]]

Metrics are printed with the names of the papers, in percent. `--out` writes them as json:
{"config", "checkpoint", "metrics": names of the papers, "raw": names and scales of the framework}.
`--show-dir` writes every picture, or the first N, with its prediction, as a PNG. `--tta` averages
the predictions of each picture in the versions that the config's `tta_pipeline` makes of it.
"""

import argparse
import copy
import json
import math
import os
from pathlib import Path

from launch import (
    add_config_arguments,
    add_launch_arguments,
    check_data,
    find_file,
    import_framework,
    is_main_process,
    read_config,
    run_tool,
    say,
    set_work_dir,
    start_processes,
    trust_checkpoints,
)
from mmengine.config import Config
from mmengine.hooks import Hook

DRAWING = {
    'mmdet': 'DetLocalVisualizer',
    'mmseg': 'SegLocalVisualizer',
    'mmpretrain': 'UniversalVisualizer',
}


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint of a training run of this config')
    add_launch_arguments(parser)
    parser.add_argument(
        '--tta', action='store_true', help='average over several sizes and mirrorings'
    )
    parser.add_argument('--out', metavar='FILE', help='write the metrics to this json file')
    parser.add_argument(
        '--show-dir', metavar='FOLDER', help='write pictures of the predictions here'
    )
    parser.add_argument(
        '--show-num', type=int, metavar='N', help='draw only the first N pictures; needs --show-dir'
    )
    return parser.parse_args()


def test(args: argparse.Namespace) -> None:
    """Prepare the config, load the checkpoint completely or not at all, evaluate."""
    cfg = read_config(args.config, args.cfg_options)
    checkpoint = find_file(args.checkpoint, 'CHECKPOINT')
    if args.trust_checkpoint:
        trust_checkpoints()
    set_work_dir(cfg, args.config, args.work_dir)
    set_test_stage(cfg, args.config)
    if args.tta:
        set_tta(cfg, args.config)
    import_framework(cfg.get('default_scope'))
    check_data(cfg, ['test_dataloader'])
    if args.show_num is not None and (not args.show_dir or args.show_num < 1):
        raise ValueError(f'--show-num {args.show_num}: must be at least 1, and needs --show-dir')
    if args.show_dir:
        if cfg.default_scope not in DRAWING:
            raise ValueError(
                f'--show-dir cannot draw predictions of a config of {cfg.default_scope}'
            )
        cfg.visualizer = dict(type=DRAWING[cfg.default_scope], vis_backends=[], name='visualizer')
    start_processes(cfg, args.launcher)

    from mmengine.runner import Runner

    runner = Runner.from_cfg(cfg)
    if args.show_dir:
        runner.register_hook(SavePredictions(args.show_dir, args.show_num))
    load_whole_checkpoint(runner, checkpoint)
    raw = runner.test()
    if is_main_process():
        report(raw, args, checkpoint)


def set_test_stage(cfg: Config, name: str) -> None:
    """Make the test stage complete; without one of its own it is the validation stage.

    Raises:
        ValueError: The config can not be evaluated at all.
    """
    for key in ('dataloader', 'evaluator', 'cfg'):
        if not cfg.get(f'test_{key}') and cfg.get(f'val_{key}'):
            cfg[f'test_{key}'] = cfg[f'val_{key}']
    absent = [key for key in ('test_dataloader', 'test_evaluator') if not cfg.get(key)]
    if absent:
        raise ValueError(
            f'{name} cannot be evaluated: it has no {" and no ".join(absent)}. A pre-training '
            'is judged by '
            'its reconstructions and by the tasks that start from it'
        )
    # A val_cfg may be an interval of an own loop; testing is always one pass.
    cfg.test_cfg = (
        cfg.get('test_cfg') if 'test_cfg' in cfg and cfg.test_cfg else dict(type='TestLoop')
    )
    if cfg.test_cfg.get('type') == 'ValLoop':
        cfg.test_cfg.type = 'TestLoop'
    # Only the test stage is built.
    for key in (
        'train_dataloader',
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'val_dataloader',
        'val_cfg',
        'val_evaluator',
    ):
        cfg.pop(key, None)


def set_tta(cfg: Config, name: str) -> None:
    """Test each picture in the versions of `tta_pipeline`, averaged by `tta_model`.

    The map of labels stays that of the test data: `--cfg-options data.classes=...` may have set it.

    Raises:
        ValueError: The config does not say how.
    """
    from mae_transfer.data.config_datasets import base_type, iter_datasets, iter_pipelines

    absent = [key for key in ('tta_model', 'tta_pipeline') if not cfg.get(key)]
    if absent:
        raise ValueError(f'--tta: {name} has no {" and no ".join(absent)}')
    for _, dataset in iter_datasets(cfg, ['test_dataloader']):
        maps = [step for step in dataset['pipeline'] if base_type(step) == 'MapLabels']
        dataset['pipeline'] = copy.deepcopy(cfg.tta_pipeline)
        for steps in iter_pipelines(dataset):
            if maps and any(isinstance(s, dict) and base_type(s) == 'MapLabels' for s in steps):
                steps[:] = maps
    cfg.model = dict(**cfg.tta_model, module=cfg.model)


def load_whole_checkpoint(runner, checkpoint: str) -> None:  # noqa: ANN001
    """Load a checkpoint, or refuse it: a part of a model measures nothing.

    Raises:
        ValueError: Tensors are missing, left over or of another shape, or the class names differ.
    """
    from mae_transfer.hooks.load_account import LoadAccountHook

    runner.register_hook(LoadAccountHook(whole=True, checkpoint=checkpoint))
    saved = runner.load_checkpoint(checkpoint)
    trained = (saved.get('meta') or {}).get('dataset_meta') or {}
    dataset = runner.test_loop.dataloader.dataset
    classes = getattr(dataset, 'metainfo', {}).get('classes')
    if trained.get('classes') and classes and list(trained['classes']) != list(classes):
        raise ValueError(
            f'{checkpoint} was trained on other classes than the test data have:\n'
            f'  {list(trained["classes"])}\n  {list(classes)}'
        )


class SavePredictions(Hook):
    """Write each test picture with its prediction to one folder, without a display.

    The frameworks' own hooks differ in where they write, and draw only what the first process saw.
    File names follow the image's path below the data prefix, with '_' for '/'.

    Args:
        folder: Where the PNG files go.
        most: How many pictures are drawn; all when not given.
    """

    def __init__(self, folder: str, most: int | None = None) -> None:
        self.folder = folder
        self.left = math.inf if most is None else most

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:  # noqa: ANN001
        """Draw the predictions of one batch."""
        if self.left <= 0:
            return
        import mmcv
        from mmengine.dist import all_gather_object

        gathered = all_gather_object([sample.cpu() for sample in outputs or ()])
        shown = [sample for samples in gathered for sample in samples]
        shown = shown[: min(self.left, len(shown))]
        self.left -= len(shown)  # on every process alike: they gather together
        if not is_main_process():  # the visualizers of the frameworks draw nowhere else
            return
        prefix = runner.test_loop.dataloader.dataset.data_prefix
        images = (
            (prefix.get('img') or prefix.get('img_path') or '.')
            if isinstance(prefix, dict)
            else prefix
        )
        for sample in shown:
            picture = mmcv.imread(sample.img_path, channel_order='rgb')
            name = os.path.relpath(sample.img_path, images).replace(os.sep, '_')
            out_file = str(Path(self.folder, name).with_suffix('.png'))
            draw = getattr(runner.visualizer, 'add_datasample', None)
            if draw is None:  # mmpretrain
                classes = runner.visualizer.dataset_meta.get('classes')
                runner.visualizer.visualize_cls(picture, sample, classes=classes, out_file=out_file)
            else:
                draw(name, picture, data_sample=sample, out_file=out_file)


def report(raw: dict, args: argparse.Namespace, checkpoint: str) -> None:
    """Print the metrics, and write them where `--out` says."""
    from mae_transfer.report.metric_names import paper_metrics

    metrics = paper_metrics(raw)
    say(
        '\n'.join(
            f'{name:>12} {"-" if value is None else format(value, ".2f")}'
            for name, value in metrics.items()
        )
    )
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        raw = {
            name: value if isinstance(value, str) else float(value) for name, value in raw.items()
        }
        record = {'config': args.config, 'checkpoint': checkpoint, 'metrics': metrics, 'raw': raw}
        Path(args.out).write_text(json.dumps(record, indent=2) + '\n', encoding='utf-8')
        say(f'wrote {args.out}')
    if args.show_dir:
        say(f'wrote pictures to {args.show_dir}')


def main() -> None:
    """Entry point."""
    args = parse_args()
    run_tool(lambda: test(args), args.debug)


if __name__ == '__main__':
    main()
