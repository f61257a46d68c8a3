"""One recipe of each shape: its pipelines at full size, then one step of a small model."""

import copy
import math

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import FUNCTIONS, MODELS, DefaultScope

from tests.configs_suite.reading import FULL, load
from tests.configs_suite.shapes import erase, recipes_of_shapes
from tests.configs_suite.tables import RECIPES
from tests.configs_suite.tiny_data import first_sample
from tests.configs_suite.tiny_models import framework, shrink


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Find the shapes where the slow tests run: it reads all recipes."""
    if 'recipe_of_shape' in metafunc.fixturenames:
        runs = metafunc.config.getoption('--runslow')
        metafunc.parametrize('recipe_of_shape', recipes_of_shapes() if runs else [])


@pytest.mark.slow
def test_shapes__cover_every_recipe():
    groups = recipes_of_shapes()
    for run, paths in groups.items():
        print(f'{run} is run for {len(paths)}: {", ".join(sorted(set(paths) - {run}))}')
    assert sorted(path for paths in groups.values() for path in paths) == FULL
    assert all(run in paths for run, paths in groups.items())
    assert 40 <= len(groups) <= 85


@pytest.mark.parametrize(
    'same',
    [
        [dict(lr=0.1, out_indices=(3, 5)), dict(lr=1e-5, out_indices=(3, 5))],
        [dict(file='checkpoints/a.pth'), dict(file='checkpoints/b.pth')],
    ],
)
def test_erase__rates_and_paths(same):
    one, other = (erase(part, 12) for part in same)
    assert one == other


def test_erase__depth_and_the_blocks_at_equal_shares_of_it():
    base = erase(dict(num_layers=12, out_indices=(3, 11)), 12)
    assert base == erase(dict(num_layers=24, out_indices=(7, 23)), 24)
    assert base != erase(dict(num_layers=24, out_indices=(3, 23)), 24)


@pytest.mark.parametrize(
    'other',
    [
        dict(in_chanels=32, drop_path_rate=0.1, norm_pix=True),  # misspelt
        dict(in_channels=768, drop_path_rate=0.1, norm_pix=True),  # a width that does not fit
        dict(in_channels=32, drop_path_rate=0.0, norm_pix=True),  # off
        dict(in_channels=32, drop_path_rate=0.1, norm_pix=False),
        dict(in_channels=32, norm_pix=True),
    ],
)
def test_erase__keeps_what_makes_another_shape(other):
    assert erase(other, 12) != erase(dict(in_channels=32, drop_path_rate=0.2, norm_pix=True), 12)


def check_groups(model: torch.nn.Module, groups: list[dict], cfg: Config, path: str) -> None:
    """At most a decayed and an undecayed group for the embeddings, each block and the rest."""
    recipe, depth = RECIPES[path], len(model.backbone.blocks)
    assert len(groups) <= 2 * (depth + 2)
    assert {group['weight_decay'] for group in groups} <= {0.0, recipe.weight_decay}
    scales = sorted({group['lr'] / recipe.lr for group in groups})
    known = [recipe.layer_decay**exponent for exponent in range(depth + 1, -1, -1)]
    for scale in scales:
        assert min(abs(scale / value - 1) for value in known) < 1e-6
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sum(len(group['params']) for group in groups) == len(trained)
    if all(p.requires_grad for p in model.backbone.blocks.parameters()) and recipe.layer_decay < 1:
        names = {name: group for group in groups for name in group['param_names']}
        first = names['backbone.patch_embed.proj.weight']
        assert first['lr'] == pytest.approx(recipe.lr * recipe.layer_decay ** (depth + 1))
        assert len(scales) == depth + 2


@pytest.mark.slow
def test_config__runs_its_pipelines_and_gives_a_loss(recipe_of_shape, data_of):
    """Each pipeline at its full size; then, small, one step: groups, forward, loss, gradients."""
    path = recipe_of_shape
    cfg = load(path)
    framework(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        root = data_of(cfg)
        for loader in ('train_dataloader', 'val_dataloader'):
            if loader in cfg:
                sample = first_sample(load(path), loader, root)
                inputs = sample['inputs']
                for image in inputs if isinstance(inputs, list) else [inputs]:
                    assert image.shape[-3] == 3
        cfg = shrink(cfg)
        model = revert_sync_batchnorm(MODELS.build(cfg.model)).train()
        model.init_weights()
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        check_groups(model, wrapper.optimizer.param_groups, cfg, path)
        collate = cfg.train_dataloader.get('collate_fn', dict(type='pseudo_collate'))
        sample = first_sample(cfg, 'train_dataloader', root)
        batch = FUNCTIONS.get(collate['type'])([sample, copy.deepcopy(sample)])
        with wrapper.optim_context(model):
            batch = model.data_preprocessor(batch, training=True)
            losses = model(**batch, mode='loss')
        loss, _ = model.parse_losses(losses)
    loss.backward()
    assert math.isfinite(loss.item()) and loss.item() > 0
    grads = [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
    assert grads and all(grad.isfinite().all() for grad in grads)
