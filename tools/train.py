"""Train what a config describes: pre-training or any task, on one process or many.

    python tools/train.py CONFIG --pretrained work_dirs/mae --cfg-options data.root=/data/cells

`tools/dist_train.sh CONFIG GPUS` and `tools/slurm_train.sh` start it on several processes.
"""

import argparse
import os
from pathlib import Path

from launch import (
    add_config_arguments,
    add_launch_arguments,
    check_data,
    import_framework,
    read_config,
    run_tool,
    say,
    set_work_dir,
    start_processes,
    trust_checkpoints,
)
from mmengine.config import Config

CPU_AND_NEW_GPUS, OLD_GPUS = 'bfloat16', 'float16'


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    add_config_arguments(parser)
    add_launch_arguments(parser)
    parser.add_argument(
        '--pretrained',
        metavar='FILE_OR_WORK_DIR',
        help='weights for the backbone: a checkpoint file, the work dir of a pre-training run, a '
        "folder of Hugging Face's library, or timm:NAME",
    )
    parser.add_argument(
        '--allow-partial',
        nargs='+',
        default=[],
        metavar='PATTERN',
        help='tensors that --pretrained, load_from or --resume may leave as they are, by patterns '
        "of their names: 'norm.*'; anything else that does not fit is an error",
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='latest',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, or from the latest in the work dir, if any',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision: bfloat16, or float16 on older GPUs'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate from the batch size of the recipe to that of this run',
    )
    parser.add_argument(
        '--print-param-groups',
        action='store_true',
        help='print learning rate and decay per group, and stop',
    )
    return parser.parse_args()


def train(args: argparse.Namespace) -> None:
    """Prepare the config in reading order, then train."""
    cfg = read_config(args.config, args.cfg_options)
    absent = [
        key
        for key in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
        if not cfg.get(key)
    ]
    if absent:
        raise ValueError(f'{args.config} cannot be trained: it has no {" and no ".join(absent)}')
    set_work_dir(cfg, args.config, args.work_dir)
    resumed = set_resume(cfg, args.resume)
    if args.pretrained:
        set_pretrained(cfg, args.pretrained, args.resume, resumed)
    if args.trust_checkpoint:
        trust_checkpoints()
    set_load_account(cfg, args.allow_partial)
    import_framework(cfg.get('default_scope'))

    from mae_transfer.optim.accumulation import count_steps

    if args.amp:
        set_amp(cfg)
    if args.print_param_groups:
        if args.auto_scale_lr or (cfg.get('auto_scale_lr') or {}).get('enable'):
            scale_lr(cfg, world_size=1)
        print_param_groups(cfg)
        return
    used = ['train_dataloader', 'val_dataloader'] if cfg.get('val_cfg') else ['train_dataloader']
    check_data(cfg, used)
    if told := count_steps(cfg):
        say(told)
    start_processes(cfg, args.launcher)

    from mmengine.dist import get_world_size
    from mmengine.registry import RUNNERS

    if args.auto_scale_lr or (cfg.get('auto_scale_lr') or {}).get('enable'):
        scale_lr(cfg, get_world_size())
    RUNNERS.get(cfg.get('runner_type', 'Runner')).from_cfg(cfg).train()


def set_resume(cfg: Config, resume: str | None) -> str | None:
    """Set `resume` and `load_from` of the config.

    Args:
        cfg: The config, changed in place.
        resume: A checkpoint, 'latest' or None.

    Returns:
        The checkpoint to go on from, or None.

    Raises:
        FileNotFoundError: ``resume`` names a file that does not exist.
    """
    if resume is None:
        return None
    if resume == 'latest':
        pointer = Path(cfg.work_dir, 'last_checkpoint')
        if not pointer.is_file():
            say(
                f'WARNING: --resume: {cfg.work_dir} holds no checkpoint; training starts from '
                'scratch'
            )
            return None
        resume = pointer.read_text(encoding='utf-8').strip()
        if not Path(resume).is_file():  # the work dir was moved
            resume = str(Path(cfg.work_dir, Path(resume).name))
    if not Path(resume).is_file():
        raise FileNotFoundError(f'--resume: there is no checkpoint {resume!r}')
    cfg.resume, cfg.load_from = True, resume
    say(f'resuming from {resume}')
    return resume


def set_pretrained(cfg: Config, pretrained: str, resume: str | None, resumed: str | None) -> None:
    """Let the backbone start from ``pretrained``.

    A job that is requeued with both `--pretrained` and `--resume` reads the weights in its first
    run and its own checkpoint in the later ones.

    Raises:
        FileNotFoundError: Neither a file nor a folder nor cached weights of timm.
        ValueError: The model has no backbone, or an explicit checkpoint is to be resumed as well.
    """
    by_name = pretrained.startswith('timm:')
    if not by_name and not os.path.exists(pretrained):
        raise FileNotFoundError(f'--pretrained: there is no file or folder {pretrained!r}')
    if 'backbone' not in (cfg.get('model') or {}):
        raise ValueError('--pretrained: this config has no model.backbone to load weights into')
    if resumed and resume != 'latest':
        raise ValueError(
            '--pretrained and --resume CHECKPOINT contradict each other: give one of them'
        )
    if resumed:
        say(
            f'--pretrained {pretrained} is not read: the run goes on from its own checkpoint '
            f'{resumed}'
        )
        return
    former = cfg.model.backbone.get('init_cfg')
    # Another file, fitted as the recipe says: CAE's fine-tuning, for one, starts fc_norm from norm.
    options = former if isinstance(former, dict) and former.get('type') == 'PretrainedViT' else {}
    checkpoint = pretrained if by_name else os.path.abspath(pretrained)
    cfg.model.backbone.init_cfg = dict(options, type='PretrainedViT', checkpoint=checkpoint)


def set_load_account(cfg: Config, allow_partial: list[str]) -> None:
    """Account for every checkpoint of the run; what `--allow-partial` names may stay as it is.

    Raises:
        ValueError: There is something to let pass, but nothing that is loaded.
    """
    hooks = [hook for hook in cfg.get('custom_hooks') or () if hook['type'] != 'LoadAccountHook']
    cfg.custom_hooks = [*hooks, dict(type='LoadAccountHook', allow_partial=allow_partial)]
    if not allow_partial:
        return
    init_cfg = (cfg.model.get('backbone') or {}).get('init_cfg')
    if isinstance(init_cfg, dict) and init_cfg.get('type') == 'PretrainedViT':
        init_cfg['allow_partial'] = allow_partial
    elif not cfg.get('load_from') and not cfg.get('resume'):
        raise ValueError(
            f'--allow-partial {" ".join(allow_partial)}: this run loads no checkpoint; give '
            '--pretrained, --resume or load_from'
        )


def set_amp(cfg: Config) -> None:
    """Train in mixed precision on whatever device there is; a dtype of the config stays.

    Raises:
        ValueError: The config's optimizer wrapper is none that can be replaced.
    """
    import torch

    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'AutocastOptimWrapper'):
        raise ValueError(
            f'--amp cannot replace optim_wrapper.type={kind!r}: set its precision in the config'
        )
    cfg.optim_wrapper.type = 'AutocastOptimWrapper'
    old_gpu = torch.cuda.is_available() and not torch.cuda.is_bf16_supported()
    cfg.optim_wrapper.setdefault('dtype', OLD_GPUS if old_gpu else CPU_AND_NEW_GPUS)


def scale_lr(cfg: Config, world_size: int) -> None:
    """Scale the learning rate linearly with the batch size of an optimizer step.

    mmengine's own rule forgets gradient accumulation in its own loops, so it is switched off here.

    Args:
        cfg: The config, changed in place.
        world_size: Number of processes.

    Raises:
        ValueError: The config does not state the batch size of its recipe.
    """
    from mae_transfer.data.repeated_sampling import samples_per_picture

    rule = cfg.get('auto_scale_lr') or {}
    recipe = rule.get('base_batch_size')
    if not recipe:
        raise ValueError(
            '--auto-scale-lr: the config states no auto_scale_lr.base_batch_size, the batch '
            'size for which '
            'its learning rate was chosen'
        )
    per_process = cfg.train_dataloader.get('batch_size')
    accumulated = cfg.optim_wrapper.get('accumulative_counts', 1)
    views = samples_per_picture(cfg)
    batch = world_size * per_process * views * accumulated
    lr = cfg.optim_wrapper.optimizer.lr
    cfg.optim_wrapper.optimizer.lr = lr * batch / recipe
    say(
        f'lr {lr:g} (recipe, batch {recipe}) x {batch}/{recipe} = {lr * batch / recipe:g}; '
        f'batch {batch} = '
        f'{world_size} processes x {per_process} images x {accumulated} accumulated'
        + (f' x {views} crops of each' if views > 1 else '')
    )
    rule['enable'] = False


def print_param_groups(cfg: Config) -> None:
    """Print what the optimizer is going to do with which parameters."""
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import MODELS, init_default_scope

    from mae_transfer.optim.param_group_table import format_param_groups

    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = MODELS.build(cfg.model)
    # Precision moves no parameter to another group, and a GPU's need not exist where one looks.
    wrapper = {k: v for k, v in cfg.optim_wrapper.items() if k not in ('dtype', 'loss_scale')}
    wrapper['type'] = 'OptimWrapper'
    print(format_param_groups(build_optim_wrapper(model, wrapper), model))


def main() -> None:
    """Entry point."""
    args = parse_args()
    run_tool(lambda: train(args), args.debug)


if __name__ == '__main__':
    main()
