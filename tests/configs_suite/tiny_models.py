"""Recipes made small enough for a CPU: 32 wide, images of some patches, structure kept."""

import functools
import importlib
import tempfile
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mae_transfer.backbones.arch import resolve_arch
from tests.configs_suite.reading import load

WIDTH = 32
SMALL_DALL_E = dict(type='DALL-E', n_hid=8, n_blk_per_group=1)
PIXEL_KEYS = (
    *('scale', 'second_scale', 'crop_size', 'stride', 'size'),
    *('img_size', 'pretrain_img_size', 'view_size', 'pad_size_divisor'),
)
# Never the encoder's width: pixels of a patch, a box head's layers, sizes of images.
OTHER_SIZES = ('out_dims', 'fc_out_channels', *PIXEL_KEYS)


def framework(cfg: Config) -> None:
    """Register the parts of the config's framework."""
    utils = importlib.import_module(f'{cfg.default_scope}.utils')
    utils.register_all_modules(init_default_scope=False)


def build_model(cfg: Config) -> nn.Module:
    """Build a config's model in its framework."""
    framework(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model)


def tiny_model(path: str, **options: object) -> nn.Module:
    """A small model of a recipe.

    Args:
        path: The recipe.
        options: Values to set, a dotted key with ``__`` for each dot.
    """
    cfg = shrink(load(path))
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    return build_model(cfg)


def prepare_run(cfg: Config, root: Path, work_dir: Path) -> Config:
    """Let a small recipe read pictures from a folder, by twos in this process, and log each step.

    Args:
        cfg: The recipe, changed in place. Where it accumulates gradients, a step stays two passes.
        root: The folder, in the layout that the recipe asks for.
        work_dir: Where the run writes; its name and its parent's name the run.
    """
    framework(cfg)
    accumulates = cfg.optim_wrapper.get('accumulative_counts', 1) > 1
    if accumulates:
        cfg.optim_wrapper.accumulative_counts = 2
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if key in cfg:
            images = 1 if accumulates and key.startswith('train') else 2
            cfg[key].update(batch_size=images, num_workers=0, persistent_workers=False)
            cfg[key].dataset.data_root = str(root)
    for key in ('val_evaluator', 'test_evaluator'):
        if cfg.default_scope == 'mmdet' and key in cfg:
            cfg[key].ann_file = str(root / 'annotations/instances_val2017.json')
    cfg.default_hooks.logger.interval = 1
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'{work_dir.parent.name}-{work_dir.name}'
    return cfg


def replace_width(node: object, width: int) -> None:
    """Put ``WIDTH`` wherever a part of the model names the encoder's width, in place."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in list(items):
        if key in OTHER_SIZES:  # by chance the same number
            continue
        if isinstance(child, int) and not isinstance(child, bool) and child == width:
            node[key] = WIDTH
        elif isinstance(child, dict | list):
            replace_width(child, width)
        elif isinstance(child, tuple):
            node[key] = tuple(WIDTH if item == width else item for item in child)


def narrow(cfg: Config) -> Config:
    """Keep the recipe's depth and structure; make its encoder 32 wide with two heads."""
    model = cfg.model
    arch = resolve_arch(model.backbone.arch)
    replace_width(model, arch['embed_dims'])
    model.backbone.arch = dict(
        embed_dims=WIDTH, num_layers=arch['num_layers'], num_heads=2, mlp_ratio=2
    )
    model.backbone.init_cfg = None
    if cfg.optim_wrapper.type == 'AutocastOptimWrapper':
        cfg.optim_wrapper.dtype = 'bfloat16'
    if cfg.default_scope == 'mmdet':
        narrow_detector(cfg)
    elif cfg.default_scope == 'mmseg':
        model.decode_head.channels = model.auxiliary_head.channels = 16
    elif isinstance(model.get('neck'), list):  # an attentive probe and its batch norm
        model.neck[0].num_heads = 2
    elif model.type == 'MaskedAutoencoder':
        model.neck.update(embed_dims=WIDTH, num_layers=1, num_heads=2)
        narrow_targets(model)
    elif model.type == 'ContextAutoencoder':
        if model.neck.embed_dims != WIDTH:  # behind a projection
            model.neck.embed_dims = 2 * WIDTH
        model.neck.update(regressor_layers=1, decoder_layers=1, num_heads=2)
        narrow_targets(model)
    return cfg


def narrow_targets(model: ConfigDict) -> None:
    """Blocks of patches, principal components and tokens for a tiny picture."""
    if (model.get('masking') or {}).get('type') == 'BlockMasking':
        model.masking.min_block = 1
    if model.target_generator.type == 'PCATarget':
        model.target_generator.basis = any_basis(model.target_generator.patch_size)
    if model.target_generator.type == 'TokenTarget':
        model.target_generator.tokenizer = ConfigDict(SMALL_DALL_E)
        model.target_generator.checkpoint = any_tokenizer()


@functools.cache
def any_tokenizer() -> str:
    """A file with the weights of a small encoder like DALL-E's, untrained."""
    from mmpretrain.models.selfsup.cae import DALLEEncoder

    path = Path(tempfile.mkdtemp(prefix='tokenizer-'), 'encoder.pth')
    sizes = {key: value for key, value in SMALL_DALL_E.items() if key != 'type'}
    torch.save(DALLEEncoder(**sizes).state_dict(), path)
    return str(path)


@functools.cache
def any_basis(patch_size: int) -> str:
    """A file with the principal components of noise."""
    from mae_transfer.pretrain.patch_pca import fit_patch_pca

    path = Path(tempfile.mkdtemp(prefix='patch-pca-'), 'basis.npz')
    fit_patch_pca([torch.rand(2, 3, 4 * patch_size, 4 * patch_size)], patch_size).save(path)
    return str(path)


def narrow_detector(cfg: Config) -> None:
    """Make the box heads' layers narrow; take few proposals; predict something, however unsure."""
    model = cfg.model
    heads = model.roi_head.bbox_head
    for head in heads if isinstance(heads, list) else [heads]:
        head.fc_out_channels = 64
    rcnn = model.train_cfg.rcnn
    for stage in rcnn if isinstance(rcnn, list) else [rcnn]:
        stage.sampler.num = 32
    model.train_cfg.rpn_proposal.max_per_img = model.test_cfg.rpn.max_per_img = 50
    model.test_cfg.rcnn.update(score_thr=0.0, max_per_img=10)


def size_factor(cfg: Config) -> int:
    """By how much the sizes in pixels of a recipe shrink: to some patches a side."""
    if cfg.default_scope == 'mmdet':
        return 16
    if cfg.default_scope == 'mmseg':
        return 8
    backbone = cfg.model.backbone
    return max(1, backbone.img_size // (2 * backbone.patch_size)) if backbone.img_size > 64 else 1


def divide_sizes(node: object, factor: int) -> None:
    """Divide every size in pixels of a config by ``factor``, in place."""

    def divide(value: object) -> object:
        if isinstance(value, int):
            return value // factor
        return type(value)(divide(item) for item in value)

    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in list(items):
        if key in PIXEL_KEYS and isinstance(child, int | list | tuple):
            node[key] = divide(child)
        elif key == 'scales' and isinstance(child[0], list | tuple):  # of images, not of anchors
            node[key] = divide(child)
        elif isinstance(child, dict | list):
            divide_sizes(child, factor)


def shrink(cfg: Config) -> Config:
    """Narrow the model and divide all sizes of the model and the data."""
    cfg = narrow(cfg)
    factor = size_factor(cfg)
    for part in ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader'):
        if part in cfg:
            divide_sizes(cfg[part], factor)
    if cfg.model.type in ('MaskedAutoencoder', 'ContextAutoencoder'):
        backbone = cfg.model.backbone
        side = backbone.img_size // backbone.patch_size
        cfg.model.neck.grid = (side, side)
    return cfg
