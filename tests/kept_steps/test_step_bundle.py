"""Bundles of kept steps: whole or absent, the same when read, and nothing in them runs."""

import resource
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mae_transfer.kept_steps import step_bundle
from mae_transfer.kept_steps.step_bundle import pack, read_bundle, write_bundle
from mae_transfer.random_states import random_states
from tests.kept_steps.test_kept_step import SAMPLES
from tests.support.hostile_pickles import RunsAShell, WritesAFile

CONFIG = Config(dict(model=dict(type='Line'), default_scope='mmengine'))


def write(folder: Path, parts: list, weights: dict | None = None) -> Path:
    weights = weights or {'a': torch.ones(2)}
    write_bundle(folder, pack(parts, random_states()), weights, CONFIG, dict(iteration=7))
    return folder


def test_bundle__comes_back_as_it_was(tmp_path):
    samples = [sample(f'{i}.jpg') for i, sample in enumerate(SAMPLES)]
    parts = [dict(inputs=[torch.rand(3, 4, 6)] * 3, data_samples=samples)]
    states = random_states()
    bundle = read_bundle(write(tmp_path / 'nonfinite' / 'iter_7', parts))
    torch.testing.assert_close(bundle.parts[0]['inputs'], parts[0]['inputs'])
    for read, sample in zip(bundle.parts[0]['data_samples'], samples, strict=True):
        assert type(read) is type(sample)
        assert read.metainfo == sample.metainfo
        assert read.all_keys() == sample.all_keys()
    assert (bundle.parts[0]['data_samples'][0].gt_instances.masks.masks == 0).all()
    assert bundle.config.model.type == 'Line' and bundle.incident == dict(iteration=7)
    torch.testing.assert_close(bundle.weights, {'a': torch.ones(2)})
    torch.testing.assert_close(bundle.random_states, states)


@pytest.mark.parametrize('hostile', [WritesAFile, RunsAShell])
@pytest.mark.parametrize('file', ['batch.pth', 'random_states.pth', 'weights.pth'])
def test_read_bundle__runs_nothing_that_a_file_names(file, hostile, tmp_path, monkeypatch):
    """Even if the user trusts checkpoints."""
    monkeypatch.setenv('MAE_TRANSFER_TRUST_CHECKPOINT', '1')
    folder = write(tmp_path / 'iter_7', [])
    torch.save([hostile(tmp_path / 'harm')], folder / file)
    with pytest.raises(ValueError, match=file):
        read_bundle(folder)
    assert not (tmp_path / 'harm').exists()


def test_read_bundle__says_what_is_missing(tmp_path):
    folder = write(tmp_path / 'iter_7', [])
    (folder / 'incident.json').unlink()
    with pytest.raises(FileNotFoundError, match='it has no incident.json'):
        read_bundle(folder)


def test_write_bundle__leaves_nothing_if_the_disk_is_full(tmp_path):
    """The limit on the size of files stands for the disk; PyTorch alone raises a RuntimeError."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, former[1]))
    try:
        with pytest.raises(OSError, match='File too large'):
            write(tmp_path / 'nonfinite' / 'iter_7', [], dict(a=torch.ones(100_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert list((tmp_path / 'nonfinite').iterdir()) == []


def test_bundle__of_a_picture_without_objects_comes_back(tmp_path):
    """An array without content is pickled in its own way."""
    sample = SAMPLES[0]('a.jpg')
    sample.ignored_instances = sample.gt_instances[:0]
    bundle = read_bundle(write(tmp_path / 'iter_7', [dict(data_samples=[sample])]))
    (read,) = bundle.parts[0]['data_samples']
    assert read.ignored_instances.masks.masks.shape == (0, 4, 6)


def test_data_classes__exist():
    names = {name for _, name in step_bundle._data_classes()}
    assert set(step_bundle.DATA_CLASSES) <= names
