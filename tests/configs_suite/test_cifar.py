"""The journey on CIFAR-10 at one block's depth: pre-train from pickles, look, fine-tune."""

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mae_transfer.data.data_block import apply_data_block
from tests.configs_suite.reading import load, plain
from tests.configs_suite.tables.cifar import (
    FINETUNE,
    LINEAR,
    MINI_FINETUNE,
    MINI_SCRATCH,
    PRETRAIN,
    SCRATCH,
)
from tests.configs_suite.tiny_models import prepare_run
from tests.data.test_small_images import write_pickles


def small(path: str, data: Path, work_dir: Path) -> Config:
    """The recipe with one block and one epoch on ten pictures: five steps of two."""
    cfg = prepare_run(load(path), data, work_dir)
    cfg.merge_from_dict({'data.root': str(data)})
    apply_data_block(cfg, ['data.root'])
    cfg.model.backbone.arch = dict(embed_dims=32, num_layers=1, num_heads=2)
    if 'neck' in cfg.model and cfg.model.neck:
        cfg.model.neck.update(encoder_dims=32, embed_dims=32, num_layers=1, num_heads=2)
    else:
        cfg.model.head.in_channels = 32
    if 'frozen_stages' in cfg.model.backbone:
        cfg.model.backbone.frozen_stages = 1
    cfg.train_cfg.max_epochs = 1
    cfg.default_hooks.checkpoint.interval = 1
    return cfg


@pytest.fixture(scope='module')
def pickles(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('cifar')
    write_pickles(root, images=2)
    return root


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory, pickles) -> Path:
    work_dir = tmp_path_factory.mktemp('pretrained')
    Runner.from_cfg(small(PRETRAIN, pickles, work_dir)).train()
    return work_dir


@pytest.mark.slow
def test_pretraining__shows_reconstructions_in_tensorboard(pretrained):
    (events,) = pretrained.rglob('events.out.tfevents.*')
    seen = EventAccumulator(str(events.parent))
    seen.Reload()
    assert seen.Tags()['images'] == ['reconstructions']
    (picture,) = seen.Images('reconstructions')
    # ten pictures of 32 pixels, five times enlarged, under each other and a line of titles; four
    # columns; a line of 2 pixels between them
    assert (picture.height, picture.width) == (24 + 10 * 162 + 2, 4 * 162 + 2)
    losses = [event.value for event in seen.Scalars('loss')]
    assert losses and all(math.isfinite(loss) and loss > 0 for loss in losses)


@pytest.mark.slow
@pytest.mark.parametrize('path', [FINETUNE, LINEAR])
def test_classifier__starts_from_the_pretraining(path, pretrained, pickles, tmp_path):
    cfg = small(path, pickles, tmp_path)
    cfg.model.backbone.init_cfg.checkpoint = str(pretrained)
    runner = Runner.from_cfg(cfg)
    runner.train()

    source = torch.load(pretrained / 'epoch_1.pth', weights_only=False)['state_dict']
    after = runner.model.backbone.state_dict()
    assert sorted(runner.model.backbone.load_account.loaded) == sorted(after)
    moved = [name for name in after if not torch.equal(after[name], source[f'backbone.{name}'])]
    assert moved == ([] if path == LINEAR else list(after))
    assert 0 <= runner.message_hub.get_scalar('val/accuracy/top1').current() <= 100


@pytest.mark.parametrize(
    ('tuned', 'scratch', 'rates'),
    [(FINETUNE, SCRATCH, [5e-4, 5e-4]), (MINI_FINETUNE, MINI_SCRATCH, [2e-3, 5e-4])],
)
def test_fine_tuning__differs_from_scratch_in_its_start_and_rate_alone(tuned, scratch, rates):
    tuned, scratch = (plain(load(path)._cfg_dict) for path in (tuned, scratch))
    assert tuned['model']['backbone'].pop('init_cfg')['type'] == 'PretrainedViT'
    assert [cfg['optim_wrapper']['optimizer'].pop('lr') for cfg in (tuned, scratch)] == rates
    assert tuned == scratch
