"""The recipes of configs/: their names are true, their numbers are the papers', and they train."""

import ast
import math
import re
from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.testing import assert_close

from tests.configs_suite.curves import half_cosine, simulate
from tests.configs_suite.file_names import check_name
from tests.configs_suite.reading import ALL, CONFIGS, EVERY, FULL, load, lookup, plain
from tests.configs_suite.tables import FACTS, ORDERS, RECIPES, RUNS
from tests.configs_suite.tables.classification import CLASSIFY
from tests.configs_suite.tables.detection import DETECT
from tests.configs_suite.tables.pretrain import MAE_800
from tests.configs_suite.tables.segmentation import SEGMENT
from tests.configs_suite.tiny_data import first_sample
from tests.configs_suite.tiny_models import build_model, framework, narrow, prepare_run, shrink

# ---- every config


def test_tables__cover_every_full_recipe():
    assert set(FULL) == set(RECIPES)
    assert set(FULL) >= set(FACTS) | set(ORDERS) | set(RUNS)


@pytest.mark.parametrize('path', EVERY)
def test_config__means_the_same_to_every_runner(path):
    """A plain Runner counts optimizer steps and accounts for what it loads, as the tools do."""
    cfg = load(path)
    kind = 'Epoch' if 'max_epochs' in cfg.train_cfg else 'Iter'
    assert cfg.train_cfg.type == f'Accumulating{kind}TrainLoop'
    assert [hook.type for hook in cfg.custom_hooks].count('LoadAccountHook') == 1


@pytest.mark.parametrize('path', ALL)
def test_config__states_what_must_be_explicit(path):
    cfg = load(path)
    for key in ('default_scope', 'custom_imports', 'randomness', 'auto_scale_lr', 'visualizer'):
        assert cfg.get(key), key
    assert cfg.custom_imports.allow_failed_imports is False
    assert 'seed' in cfg.randomness
    assert cfg.optim_wrapper.constructor == 'LayerDecayOptimWrapperConstructor'
    assert 'EncoderMetadataHook' in [hook.type for hook in cfg.custom_hooks]
    backends = {backend.type for backend in cfg.visualizer.vis_backends}
    assert backends == {'LocalVisBackend', 'TensorboardVisBackend'}
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if loader in cfg:
            assert cfg[loader].dataset.data_root.startswith('data/')


@pytest.mark.parametrize('path', EVERY)
def test_config__has_at_most_three_base_levels(path):
    def levels(file: Path) -> int:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
                bases = ast.literal_eval(node.value)
                bases = [bases] if isinstance(bases, str) else bases
                return 1 + max(0 if '::' in b else levels(file.parent / b) for b in bases)
        return 0

    assert levels(CONFIGS / path) <= 3


@pytest.mark.parametrize('path', EVERY)
def test_config__has_a_head_and_a_row_on_a_page(path):
    head = ast.get_docstring(ast.parse((CONFIGS / path).read_text()))
    assert re.search(rf'^    (python|bash) tools/.*\s{re.escape(f"configs/{path}")}', head, re.M)
    expected = re.search(r'^Expected: (.+?)(?:\n\n|\n[A-Z]\w+:|\Z)', head, re.M | re.S)[1]
    source_of_a_score = re.search(r'\d.*\([^)]*[A-Za-z]', expected, re.S)
    assert expected.startswith('no published score') or source_of_a_score, expected
    if not path.startswith('demo/'):
        assert 'Source:' in head and 'Cost:' in head
    assert f'`{Path(path).stem}' in page_of(CONFIGS / path).read_text()


def page_of(config: Path) -> Path:
    """The README of a config's folder, or of the folder above."""
    pages = [folder / 'README.md' for folder in (config.parent, config.parent.parent)]
    return next(page for page in pages if page.is_file())


@pytest.mark.parametrize('path', ALL)
def test_file_name__tells_the_truth(path):
    check_name(Path(path).stem, load(path))


@pytest.mark.parametrize(
    'wrong',
    [
        'mask-rcnn_vit-large-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco',
        'mask-rcnn_vit-base-p14_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_8xb4-amp-lsj-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_8xb8-amp-lsj-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-lsj-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-50e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-coslr-100e_coco',
        'mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_in1k',
        'upernet_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco',
    ],
)
def test_file_name__with_a_lie_is_caught(wrong):
    with pytest.raises(AssertionError):
        check_name(wrong, load(DETECT))


# ---- the numbers


@pytest.mark.parametrize('path', FULL)
def test_recipe__has_the_published_optimizer(path):
    recipe = RECIPES[path]
    cfg = load(path)
    wrapper, optimizer = cfg.optim_wrapper, cfg.optim_wrapper.optimizer
    assert (wrapper.type == 'AutocastOptimWrapper') == recipe.amp  # mixed precision is really on
    if recipe.amp:
        assert wrapper.dtype == recipe.dtype
    assert (wrapper.get('clip_grad') or {}).get('max_norm') == recipe.clip_grad
    assert optimizer.type == recipe.optimizer
    assert cfg.auto_scale_lr.base_batch_size == recipe.batch
    assert optimizer.lr == pytest.approx(recipe.lr, rel=1e-12)
    assert plain(optimizer.get('betas')) == plain(recipe.betas)
    assert optimizer.get('momentum') == recipe.momentum
    assert optimizer.weight_decay == recipe.weight_decay
    assert wrapper.paramwise_cfg.get('layer_decay_rate', 1.0) == recipe.layer_decay
    assert tuple(wrapper.paramwise_cfg.no_decay) == recipe.no_decay
    assert cfg.model.backbone.get('drop_path_rate', 0.0) == recipe.drop_path


@pytest.mark.parametrize('path', FACTS)
def test_recipe__states_the_published_values(path):
    cfg = load(path)
    found = {key: plain(lookup(cfg, key)) for key in FACTS[path]}
    assert found == plain(FACTS[path])


@pytest.mark.parametrize('path', ORDERS)
def test_recipe__augments_in_the_published_order(path):
    cfg = load(path)
    assert plain(cfg.train_dataloader.dataset.pipeline) == plain(cfg.train_pipeline)
    names = [step.type for step in cfg.train_pipeline]
    drawing = ('Rand', 'Photo', 'Color', 'TwoSize', 'Timm')
    assert [name for name in names if name.startswith(drawing)] == ORDERS[path]


# ---- the schedules


@pytest.mark.parametrize('path', RECIPES)
def test_learning_rate__follows_the_published_formula(path):
    """In every step, within 1e-9 of the peak, with and without layer decay."""
    curve = RECIPES[path].curve
    rates = simulate(load(path), curve.epoch)
    factors = torch.tensor([curve.formula(step) for step in range(curve.steps)], dtype=rates.dtype)
    assert_close(rates, factors.expand(2, -1), rtol=0.0, atol=1e-9)


@pytest.mark.parametrize('path', sorted(set(ALL) - set(FULL)))
def test_learning_rate__of_the_demo(path):
    """From .001 in a twentieth of the run, then half a cosine to 0."""
    cfg = load(path)
    total = cfg.train_cfg.max_iters
    warm = total // 20
    up = [0.001 + 0.999 * step / warm for step in range(warm)]
    down = [half_cosine(step / (total - warm)) for step in range(total - warm)]
    factors = torch.tensor([up + down] * 2, dtype=torch.float64)
    assert_close(simulate(cfg), factors, rtol=0.0, atol=1e-9)


def test_vitdet__decays_at_the_published_iterations():
    """8/9 and 26/27 of the run."""
    step = load(DETECT).param_scheduler[1]
    assert plain(step.milestones) == [163889, 177546]
    assert step.gamma == 0.1
    assert round(8 / 9 * 184375) == 163889
    assert round(26 / 27 * 184375) == 177546


# ---- the models


def test_vitdet__decays_what_detectron2_decays():
    """Only the torch norms and pos_embed are not decayed."""
    cfg = narrow(load(DETECT))
    groups = build_optim_wrapper(build_model(cfg), cfg.optim_wrapper).optimizer.param_groups
    decay = {name: group['weight_decay'] for group in groups for name in group['param_names']}
    assert decay['backbone.pos_embed'] == 0.0
    assert decay['backbone.blocks.0.norm1.weight'] == 0.0
    assert decay['neck.projections.0.1.weight'] == 0.1
    assert decay['backbone.blocks.0.attn.rel_pos_h'] == 0.1
    assert decay['backbone.blocks.0.attn.qkv.bias'] == 0.1


# ---- a whole run


@pytest.mark.slow
@pytest.mark.parametrize('path', RUNS)
def test_recipe__trains_and_evaluates(data_of, path, tmp_path):
    """One epoch or iteration of the whole recipe, narrow and small: loss, metrics, checkpoint."""
    cfg = load(path)
    root = data_of(cfg)
    cfg = prepare_run(shrink(cfg), root, tmp_path / 'run')
    length = 'max_epochs' if 'max_epochs' in cfg.train_cfg else 'max_iters'
    cfg.train_cfg[length] = 1

    runner = Runner.from_cfg(cfg)
    runner.train()

    assert runner.iter == 1  # a step, whether of one pass or of two

    loss = runner.message_hub.get_scalar('train/loss').current()
    assert math.isfinite(loss) and loss > 0
    for metric in RUNS[path]:
        assert f'val/{metric}' in runner.message_hub.log_scalars
    (checkpoint,) = Path(cfg.work_dir).glob('[ei]*_1.pth')
    meta = torch.load(checkpoint, weights_only=False)['meta']
    assert meta['mae_transfer']['num_heads'] == 2
    assert list(Path(cfg.work_dir).rglob('events.out.tfevents.*'))


# ---- what the pipelines of the four journeys give


@pytest.mark.parametrize(
    ('path', 'train', 'val'),
    [
        (MAE_800, (224, 224), None),
        (CLASSIFY, (224, 224), (224, 224)),
        (DETECT, None, (768, 1024)),  # jitter makes any size up to 1024
        (SEGMENT, None, (512, 683)),
    ],
)
def test_pipeline__gives_the_published_size(data_of, path, train, val):
    """Of a picture of 60 x 80 pixels."""
    cfg = load(path)
    framework(cfg)
    root = data_of(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for loader, size in (('train_dataloader', train), ('val_dataloader', val)):
            if size is not None:
                inputs = first_sample(cfg, loader, root)['inputs']
                image = inputs[0] if isinstance(inputs, list) else inputs
                assert image.dtype == torch.uint8
                assert image.shape == (3, *size)


def test_pipeline__of_segmentation_shifts_the_labels(data_of):
    """The file holds 0 (something else), 1 and 150: ignored, class 0 and class 149."""
    cfg = load(SEGMENT)
    framework(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        sample = first_sample(cfg, 'val_dataloader', data_of(cfg))
    assert sample['data_samples'].gt_sem_seg.data.unique().tolist() == [0, 149, 255]
