"""The recipes of tokenizers: names tell the truth, numbers are DALL-E's, and each one trains."""

import ast
import math
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch.testing import assert_close

from tests.configs_suite.curves import half_cosine, simulate
from tests.configs_suite.reading import CONFIGS, TOKENIZERS, load, lookup, plain
from tests.configs_suite.tiny_models import prepare_run

FULL = 'pretrain/dvae/dvae_conv-base-p8_8xb64-amp-ema-coslr-250k_in1k-112x112.py'
DEMO = 'demo/dvae_conv-demo-p4_1xb64-coslr-1000i_scenes-32x32.py'
NAME = re.compile(
    r'dvae_conv-(?P<size>[a-z]+)-p(?P<patch>\d+)_(?P<gpus>\d+)xb(?P<images>\d+)(?P<words>(-[a-z]+)*)'
    r'-(?P<length>\d+)(?P<unit>[ki])_(?P<data>[a-z0-9]+)-(?P<side>\d+)x(?P=side)'
)
# DALL-E, appendix A.2, and the sizes of BEiT's and CAE's code
FACTS = {
    'model.num_codes': 8192,
    'model.embed_dims': 512,
    'model.hidden_dims': 256,
    'model.num_layers': 3,
    'model.head.type': 'LogitLaplaceLikelihood',
    'optim_wrapper.optimizer.type': 'AdamW',
    'optim_wrapper.optimizer.lr': 1e-4,
    'optim_wrapper.optimizer.betas': (0.9, 0.999),
    'optim_wrapper.optimizer.eps': 1e-8,
    'optim_wrapper.optimizer.weight_decay': 1e-4,
    'optim_wrapper.dtype': 'float16',
    'auto_scale_lr.base_batch_size': 512,
    'train_pipeline.RandomResizedCrop.crop_ratio_range': (0.08, 1.0),  # CAE's crops
    'train_pipeline.RandomResizedCrop.interpolation': 'lanczos',
    'train_pipeline.RandomFlip.prob': 0.5,
    'custom_hooks.EMAHook.momentum': 1e-3,  # decay .999
}
ANNEALS = {'temperature': (1.0, 1 / 16, 150_000), 'kl_weight': (0.0, 6.6, 5000)}


def anneals(cfg: Config) -> dict[str, tuple]:
    hooks = [hook for hook in cfg.custom_hooks if hook.type == 'AnnealHook']
    return {hook.name: (hook.start, hook.end, hook.length) for hook in hooks}


def test_table__covers_every_tokenizer():
    assert set(TOKENIZERS) == {FULL, DEMO}


@pytest.mark.parametrize('path', TOKENIZERS)
def test_config__name_head_and_page(path):
    cfg, stem = load(path), Path(path).stem
    name = NAME.fullmatch(stem)
    assert cfg.model.type == 'DiscreteVAE' and 2**cfg.model.num_layers == int(name['patch'])
    assert cfg.train_dataloader.batch_size == int(name['images'])
    assert cfg.auto_scale_lr.base_batch_size == int(name['gpus']) * int(name['images'])
    words = name['words'].split('-')
    assert ('amp' in words) == (cfg.optim_wrapper.type == 'AutocastOptimWrapper')
    assert ('ema' in words) == ('EMAHook' in [hook.type for hook in cfg.custom_hooks])
    length = int(name['length']) * (1000 if name['unit'] == 'k' else 1)
    (schedule,) = cfg.param_scheduler
    assert schedule.type == 'CosineAnnealingLR'
    assert cfg.train_cfg.max_iters == schedule.end == length
    folder = {'in1k': 'data/imagenet', 'scenes': 'data/demo-scenes'}[name['data']]
    assert cfg.train_dataloader.dataset.data_root.startswith(folder)
    (crop,) = (s for s in cfg.train_dataloader.dataset.pipeline if s.type == 'RandomResizedCrop')
    assert crop.scale == int(name['side'])
    assert cfg.val_evaluator.num_codes == cfg.model.num_codes
    assert set(anneals(cfg)) == {'temperature', 'kl_weight'}
    head = ast.get_docstring(ast.parse((CONFIGS / path).read_text()))
    assert 'tools/' in head and Path(path).name in head
    for word in ('Source:', 'Expected:', 'Cost:') if path == FULL else ():
        assert word in head
    assert f'`{stem}' in (CONFIGS / path).with_name('README.md').read_text()


@pytest.mark.parametrize('key', FACTS)
def test_recipe__states_the_published_value(key):
    cfg = load(FULL)
    assert plain(lookup(cfg, key)) == plain(FACTS[key])


def test_recipe__anneals_as_published():
    assert anneals(load(FULL)) == ANNEALS


@pytest.mark.parametrize(('path', 'peak', 'lowest'), [(FULL, 1e-4, 1.25e-6), (DEMO, 1e-3, 0.0)])
def test_learning_rate__is_half_a_cosine_to_the_published_end(path, peak, lowest):
    """In every step, within 1e-9 of the peak; no layer decay."""
    cfg = load(path)
    assert cfg.optim_wrapper.optimizer.lr == peak
    low, length = lowest / peak, cfg.train_cfg.max_iters
    factors = [low + (1 - low) * half_cosine(step / length) for step in range(length)]
    rates, _ = simulate(cfg, peak=peak)
    assert_close(rates, torch.tensor(factors, dtype=rates.dtype), rtol=0.0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize('path', TOKENIZERS)
def test_recipe__trains_draws_and_evaluates(path, data_of, tmp_path):
    """Two iterations of the whole recipe, narrow: loss, metrics, picture, checkpoint."""
    cfg = load(path)
    cfg.model.update(num_codes=16, embed_dims=8, hidden_dims=8)
    cfg.val_evaluator.num_codes = cfg.test_evaluator.num_codes = 16
    if cfg.optim_wrapper.type == 'AutocastOptimWrapper':
        cfg.optim_wrapper.dtype = 'bfloat16'
    root = data_of(cfg)
    cfg = prepare_run(cfg, root, tmp_path / 'run')
    cfg.train_cfg.update(max_iters=2, val_interval=2)

    runner = Runner.from_cfg(cfg)
    runner.train()

    scalars = runner.message_hub.log_scalars
    for name in ('loss_reconstruction', 'loss_kl', 'codes_used', 'temperature', 'kl_weight'):
        assert math.isfinite(scalars[f'train/{name}'].current()), name
    assert scalars['val/mean_picture_MSE'].current() > 0
    assert scalars['val/codes_used'].current() <= 100
    assert Path(cfg.work_dir, 'reconstructions', 'iter_2.png').is_file()
    saved = torch.load(Path(cfg.work_dir, 'iter_2.pth'), weights_only=False)
    assert saved['state_dict']['codebook.weight'].shape == (16, 8)
