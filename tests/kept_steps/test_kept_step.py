"""What is kept of a step: batches of every framework, names of pictures, random states."""

import random

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData, PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample
from torch import nn

from mae_transfer.kept_steps.kept_step import (
    are_finite,
    as_before,
    copy_containers,
    keep_step,
    picture_names,
    running_statistics,
)

NAN = float('nan')


def detection_sample(name):
    sample = DetDataSample(metainfo=dict(img_path=name))
    sample.gt_instances = InstanceData(
        bboxes=torch.zeros(2, 4), masks=BitmapMasks(np.zeros((2, 4, 6), np.uint8), 4, 6)
    )
    return sample


def segmentation_sample(name):
    sample = SegDataSample(metainfo=dict(img_path=name))
    sample.gt_sem_seg = PixelData(data=torch.zeros(1, 4, 6, dtype=torch.int64))
    return sample


def classification_sample(name):
    return DataSample(metainfo=dict(img_path=name)).set_gt_score(torch.zeros(3))


SAMPLES = [detection_sample, segmentation_sample, classification_sample]


@pytest.mark.parametrize('sample', SAMPLES)
def test_picture_names__are_paths_in_the_samples_of_each_framework(sample):
    part = dict(inputs=[torch.zeros(3, 4, 6)] * 2, data_samples=[sample('a.jpg'), sample('b.jpg')])
    assert picture_names(part) == ['a.jpg', 'b.jpg']


def test_picture_names__of_views_and_of_batches_without_names():
    views = [[torch.zeros(3, 4, 4)] * 3, [torch.zeros(3, 2, 2)] * 3]
    samples = [classification_sample(f'{i}.jpg') for i in range(3)]
    assert picture_names(dict(inputs=views, data_samples=samples)) == ['0.jpg', '1.jpg', '2.jpg']
    assert picture_names(dict(inputs=torch.zeros(2, 3, 4, 4))) == ['unnamed', 'unnamed']
    assert picture_names(dict(inputs=[torch.zeros(3)], target=[torch.zeros(1)])) == ['unnamed']
    assert picture_names([torch.zeros(3), torch.zeros(3)]) == ['unnamed', 'unnamed']


def test_are_finite__names_the_sample_whichever_tensor_is_not():
    fine = torch.zeros(3, 4, 4)
    labels = [classification_sample(f'{i}.jpg') for i in range(3)]
    assert are_finite(dict(inputs=[fine, fine * NAN, fine], data_samples=labels)) == [
        True, False, True,
    ]  # fmt: skip
    labels[2].gt_score[1] = float('inf')
    assert are_finite(dict(inputs=[fine] * 3, data_samples=labels)) == [True, True, False]
    views = [[fine] * 3, [fine * NAN, fine, fine]]
    assert are_finite(dict(inputs=views, data_samples=labels)) == [False, True, False]
    stacked = torch.stack([fine, fine / 0])
    assert are_finite(dict(inputs=stacked)) == [True, False]
    sample = detection_sample('a.jpg')
    sample.gt_instances.bboxes[0, 0] = NAN
    assert are_finite(dict(inputs=[fine], data_samples=[sample])) == [False]


@pytest.mark.parametrize('sample', SAMPLES)
def test_copy_containers__is_not_changed_by_what_a_preprocessor_puts_into_samples(sample):
    part = dict(inputs=[torch.zeros(3, 4, 6)], data_samples=[sample('a.jpg')])
    kept = copy_containers(part)
    (used,) = part['data_samples']
    meta = used.metainfo
    used.set_metainfo(dict(batch_input_shape=(8, 8)))
    used.set_field(torch.ones(5), 'added')
    if isinstance(used, DetDataSample):
        used.gt_instances.masks = used.gt_instances.masks.pad((8, 8))
        assert kept['data_samples'][0].gt_instances.masks.height == 4
    (same,) = kept['data_samples']
    assert type(same) is type(used)
    assert same.metainfo == meta and 'img_path' in meta
    assert 'added' not in same.all_keys()
    assert kept['inputs'][0] is part['inputs'][0]


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_as_before__draws_the_same_numbers_and_changes_nothing():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    step = keep_step(1, [], running_statistics(model))
    first = draw()
    second = torch.get_rng_state()
    with as_before(model, step.random_states):
        assert draw() == first
        model(torch.randn(4, 3))
    torch.testing.assert_close(torch.get_rng_state(), second, rtol=0, atol=0)
    assert float(model[0].running_mean.abs().sum()) == 0
    assert int(model[0].num_batches_tracked) == 0


def test_restore_statistics__undoes_a_forward_pass():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.LayerNorm(3))
    model(torch.randn(4, 3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step = keep_step(1, [], running_statistics(model))
    model(torch.full((4, 3), NAN))
    assert model[0].running_mean.isnan().all()
    step.restore_statistics()
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
