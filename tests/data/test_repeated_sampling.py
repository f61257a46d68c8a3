"""Several crops and masks per decoded picture: what the model gets, and how it is counted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmpretrain.utils import register_all_modules
from PIL import Image

from mae_transfer.data.repeated_sampling import samples_per_picture
from tests.pretrain.test_mae import build

CONFIG = Path(__file__).resolve().parents[2] / (
    'configs/pretrain/mae/ablation/mae_vit-large-p16_repeat-4_8xb512-amp-coslr-200e_in1k.py'
)


@pytest.fixture
def batch(tmp_path, monkeypatch) -> tuple[dict, list]:
    """Two pictures through the pipeline of the recipe; also, how often a file was read."""
    from mmcv.transforms import LoadImageFromFile

    cfg, rng, reads = Config.fromfile(CONFIG), np.random.default_rng(0), []
    for i in range(2):
        Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8)).save(tmp_path / f'{i}.png')
    dataset = dict(
        type='CustomDataset', data_root=str(tmp_path), with_label=False, pipeline=cfg.train_pipeline
    )
    register_all_modules(init_default_scope=False)
    load = LoadImageFromFile.transform
    monkeypatch.setattr(
        LoadImageFromFile,
        'transform',
        lambda self, results: reads.append(results['img_path']) or load(self, results),
    )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(dataset)
        data = default_collate([dataset[0], dataset[1]])
        return MODELS.build(cfg.model.data_preprocessor)(data, training=True), reads


def test_pipeline__decodes_once_and_crops_four_times(batch):
    data, reads = batch
    assert len(reads) == 2
    crops = data['inputs']
    assert len(crops) == 4 and all(crop.shape == (2, 3, 224, 224) for crop in crops)
    for i in range(4):
        for j in range(i):
            assert not torch.equal(crops[i], crops[j])


def test_mae__trains_on_all_crops_with_a_mask_for_each(monkeypatch):
    """K lists of B images are one batch of K * B: the same loss as when it is given so."""
    model = build(img_size=(32, 48)).eval()
    crops = [torch.randn(2, 3, 32, 48) for _ in range(4)]
    mask = torch.stack([torch.randperm(24) < 18 for _ in range(8)])
    together = model.loss(torch.cat(crops), mask=mask)['loss']
    torch.testing.assert_close(model.loss(crops, mask=mask)['loss'], together)
    drawn = []
    sample = model.masking
    model.masking = lambda *args: drawn.append(args) or sample(*args)
    model.loss(crops)
    assert [args[0] for args in drawn] == [8]


def pipeline(num_views: int | list[int]) -> list[dict]:
    lists = 1 if isinstance(num_views, int) else len(num_views)
    views = dict(type='MultiView', num_views=num_views, transforms=[[]] * lists)
    return [dict(type='LoadImageFromFile'), views, dict(type='PackInputs')]


def loader(*pipelines: list[dict]) -> dict:
    datasets = [dict(type='ImageNet', pipeline=steps) for steps in pipelines]
    dataset = datasets[0] if len(datasets) == 1 else dict(type='ConcatDataset', datasets=datasets)
    return dict(train_dataloader=dict(batch_size=2, dataset=dataset))


def test_samples_per_picture__counts_the_views():
    assert samples_per_picture(loader([dict(type='PackInputs')])) == 1
    assert samples_per_picture(loader(pipeline(4))) == 4
    assert samples_per_picture(loader(pipeline([2, 6]))) == 8
    assert samples_per_picture(loader(pipeline(4), pipeline([1, 3]))) == 4
    assert samples_per_picture({}) == 1


def test_samples_per_picture__rejects_data_sets_that_differ():
    with pytest.raises(ValueError, match='datasets.0: 4, .*datasets.1: 2'):
        samples_per_picture(loader(pipeline(4), pipeline(2)))


def test_recipe__trains_on_as_many_samples_in_as_many_steps_as_800_epochs():
    """1,281,167 pictures on 8 GPUs, the last incomplete batch of an epoch left out."""
    cfg, images, gpus = Config.fromfile(CONFIG), 1_281_167, 8
    views, accumulated = samples_per_picture(cfg), cfg.optim_wrapper.accumulative_counts
    batch = gpus * cfg.train_dataloader.batch_size * views * accumulated
    assert batch == cfg.auto_scale_lr.base_batch_size == 4096
    epochs = cfg.train_cfg.max_epochs
    assert epochs * images * views == 800 * images
    steps = images // (batch // views) * epochs
    plain = images // 4096 * 800
    assert abs(steps - plain) < 800  # less than one step of each epoch
    assert cfg.param_scheduler[0].end / epochs == 40 / 800
