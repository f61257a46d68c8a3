"""Fit principal components to patches of training images, as targets for pre-training.

    python tools/fit_patch_pca.py CONFIG [--num-images 10000]

Images are read as in training, with the same crops, flips and normalization. The components are
written to the file that the config names in `model.target_generator.basis`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mae_transfer.run.check_data import check_data
from mae_transfer.run.command_line import add_config_arguments
from mae_transfer.run.config import read_config
from mae_transfer.run.errors import run_tool
from mae_transfer.run.framework import import_framework
from mae_transfer.run.processes import say

BATCH = 64  # images at a time


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    add_config_arguments(parser)
    parser.add_argument(
        '--num-images',
        type=int,
        default=10_000,
        help='number of images, read in random order (default: %(default)s, which is two million '
        'patches of 16 pixels with crops of 224)',
    )
    parser.add_argument('--workers', type=int, default=4, help='processes that read images')
    parser.add_argument('--seed', type=int, default=0, help='seed of image order and crops')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    return parser.parse_args()


def fit(args: argparse.Namespace) -> None:
    """Read images, fit the components, write the file, and print a summary."""
    cfg = read_config(args.config, args.cfg_options)
    target = ConfigDict((cfg.get('model') or {}).get('target_generator') or {})
    if target.get('type') != 'PCATarget':
        raise ValueError(
            f'{args.config}: model.target_generator is {target.get("type")!r}; only a PCATarget '
            'needs principal components'
        )
    if args.num_images < 1:
        raise ValueError(f'--num-images {args.num_images}: must be at least 1')
    path = Path(target.basis)
    if path.exists() and not args.overwrite:
        raise ValueError(
            f'{path} exists, and earlier runs may need it: --overwrite replaces it, '
            '--cfg-options model.target_generator.basis=FILE writes another'
        )
    import_framework(cfg.default_scope)
    check_data(cfg, ['train_dataloader'])

    from mae_transfer.pretrain.patch_pca import fit_patch_pca

    pca = fit_patch_pca(read_images(cfg, args), target.get('patch_size', 16))
    pca.save(path)
    kept = target.get('num_coefficients', 96)
    share = pca.variances[:kept].sum() / pca.variances.sum()
    say(
        f'{pca.num_patches} patches of {pca.patch_size} pixels; {kept} of {len(pca.variances)} '
        f'components explain {share:.1%} of their variance; wrote {path}'
    )


def read_images(cfg: Config, args: argparse.Namespace) -> Iterator:
    """Yield batches of preprocessed images, as the model gets them, up to the number wanted."""
    from mmengine.registry import MODELS, init_default_scope
    from mmengine.runner import Runner, set_random_seed
    from rich.progress import Progress
    from torch import Tensor

    init_default_scope(cfg.default_scope)
    set_random_seed(args.seed)
    loader = Runner.build_dataloader(
        dict(
            cfg.train_dataloader,
            batch_size=min(BATCH, args.num_images),
            num_workers=args.workers,
            persistent_workers=False,
            drop_last=False,
            sampler=dict(type='DefaultSampler', shuffle=True),
        ),
        seed=args.seed,
    )
    preprocess = MODELS.build(cfg.model.data_preprocessor)
    wanted = min(args.num_images, len(loader.dataset))
    with Progress() as progress:
        task, read = progress.add_task('images', total=wanted), 0
        for batch in loader:
            inputs = preprocess(batch)['inputs']
            crops = [inputs] if isinstance(inputs, Tensor) else inputs
            crops = [crop[: wanted - read] for crop in crops]
            yield from crops
            read += len(crops[0])
            progress.update(task, completed=read)
            if read == wanted:
                return


def main() -> None:
    """Entry point."""
    args = parse_args()
    run_tool(lambda: fit(args), args.debug)


if __name__ == '__main__':
    main()
