"""What MMEngine's runner reads: its own files whole, strangers' files without running them."""

import io
import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import CheckpointLoader, load_checkpoint
from safetensors.torch import save_file

from mae_transfer.compat import runner_load
from mae_transfer.compat.safe_load import TRUST_VARIABLE
from tests.support.hostile_pickles import WithAttributes, WritesAFile

TENSORS = {'backbone.norm.weight': torch.arange(3.0)}


class AsksForAnything:
    """Pickles as ``getattr(HistoryBuffer, '__init__')``: a first step to any module."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


def load(path):
    return CheckpointLoader.load_checkpoint(str(path), map_location='cpu', logger='silent')


def test_load_from_local__log_of_a_run_comes_back_whole(tmp_path):
    hub = MessageHub.get_instance(f'{tmp_path.name}')
    for value in (3.0, 1.0):
        hub.update_scalar('train/loss', value)
    hub.update_info('best', np.float64(0.25))
    hub.update_info('ids', np.arange(3))
    content = {'meta': {'iter': 2}, 'state_dict': TENSORS, 'message_hub': hub.state_dict()}
    torch.save(content, tmp_path / 'x.pth')
    found = load(tmp_path / 'x.pth')
    torch.testing.assert_close(found['state_dict'], TENSORS)
    again = MessageHub.get_instance(f'{tmp_path.name}-again')
    again.load_state_dict(found['message_hub'])
    history = again.get_scalar('train/loss')
    assert history.mean() == 2.0 and history.current() == 1.0
    assert history.statistics('min') == 1.0
    assert again.get_info('best') == 0.25 and list(again.get_info('ids')) == [0, 1, 2]


def test_load_from_local__safetensors(tmp_path):
    save_file(TENSORS, tmp_path / 'x.safetensors')
    torch.testing.assert_close(load(tmp_path / 'x.safetensors'), TENSORS)


def test_load_from_local__texts_of_safetensors_are_no_tensors(tmp_path):
    texts = {'format': 'pt', 'author': 'someone'}
    save_file(TENSORS, tmp_path / 'x.safetensors', metadata=texts)
    found = load(tmp_path / 'x.safetensors')
    torch.testing.assert_close(found.pop('state_dict'), TENSORS)
    assert found == {'__metadata__': texts}
    model = torch.nn.Module()
    model.backbone = torch.nn.Module()
    model.backbone.norm = torch.nn.LayerNorm(3, bias=False)
    load_checkpoint(model, str(tmp_path / 'x.safetensors'), strict=True)
    torch.testing.assert_close(model.backbone.norm.weight.data, torch.arange(3.0))


@pytest.mark.parametrize('bomb', [WritesAFile, lambda path: AsksForAnything()])
def test_load_from_local__code_is_refused_and_not_run(tmp_path, bomb):
    torch.save({'state_dict': TENSORS, 'meta': bomb(tmp_path / 'written')}, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='was refused.*--trust-checkpoint'):
        load(tmp_path / 'x.pth')
    assert os.listdir(tmp_path) == ['x.pth']


def test_load_from_local__trusted(tmp_path, monkeypatch):
    torch.save({'state_dict': TENSORS, 'more': WritesAFile(tmp_path / 'w')}, tmp_path / 'x.pth')
    monkeypatch.setenv(TRUST_VARIABLE, '1')
    load(tmp_path / 'x.pth')['more'].close()
    assert (tmp_path / 'w').exists()
    monkeypatch.setenv(TRUST_VARIABLE, 'yes')
    with pytest.raises(ValueError, match="MAE_TRANSFER_TRUST_CHECKPOINT='yes': must be 1"):
        load(tmp_path / 'x.pth')


@pytest.mark.parametrize(
    'spoil, words',
    [
        (lambda data: data[:-200], 'x.pth is truncated'),
        (lambda data: b'', r'x.pth is empty \(0 bytes\)'),
        (lambda data: b'<html>', 'neither a file of torch.save'),
    ],
)
def test_load_from_local__broken_file(tmp_path, spoil, words):
    torch.save({'state_dict': TENSORS}, tmp_path / 'x.pth')
    (tmp_path / 'x.pth').write_bytes(spoil((tmp_path / 'x.pth').read_bytes()))
    with pytest.raises(ValueError, match=words):
        load(tmp_path / 'x.pth')


def test_load_from_local__nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no checkpoint '.*x.pth'"):
        load(tmp_path / 'x.pth')


def test_load_from_http__fetches_once_and_reads_safely(tmp_path, monkeypatch):
    fetched = []

    def fetch(url, path, progress):
        fetched.append(url)
        torch.save({'state_dict': TENSORS}, path)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fetch)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    url = 'https://example.org/models/x.pth?download=true'
    for _ in range(2):
        torch.testing.assert_close(load(url)['state_dict'], TENSORS)
    assert fetched == [url]
    path = tmp_path / 'checkpoints/x.pth'
    torch.save(WritesAFile(tmp_path / 'written'), path)
    with pytest.raises(ValueError, match='was refused'):
        load(url)
    assert not (tmp_path / 'written').exists()
    from mmengine.runner import checkpoint

    assert checkpoint.load_from_http is runner_load.load_from_http


def test_load_from_stream__of_an_object_store(tmp_path):
    """MMEngine's readers of s3:// and others hand over bytes, and run what they cannot read."""
    from mmengine.runner import checkpoint

    for content in ({'state_dict': TENSORS}, {'x': WritesAFile(tmp_path / 'written')}):
        stream = io.BytesIO()
        torch.save(content, stream)
        stream.seek(0)
        if 'x' in content:
            with pytest.raises(ValueError, match='was refused'):
                checkpoint._safe_torch_load(stream, 'cpu')
        else:
            found = checkpoint._safe_torch_load(stream, map_location='cpu')
            torch.testing.assert_close(found['state_dict'], TENSORS)
    assert os.listdir(tmp_path) == []


def test_load_from_local__attributes_of_a_file_hide_no_method(tmp_path):
    """``_metadata`` stays, which MMEngine passes on to modules."""
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    state = module.state_dict()
    state['0.weight'] = torch.nn.Parameter(torch.ones(2))
    state['0.weight'].cpu = 'hidden'
    hostile = WithAttributes(state, items=3, keys=3, _metadata=state._metadata)
    torch.save({'state_dict': hostile}, tmp_path / 'x.pth')
    found = load(tmp_path / 'x.pth')['state_dict']
    assert list(found.items())[0][0] == '0.weight' and found['0.weight'].cpu() is not None
    assert found._metadata == state._metadata
    load_checkpoint(module, str(tmp_path / 'x.pth'), strict=True)


def test_load_from_local__nested_too_deep(tmp_path):
    value: list = []
    for _ in range(200):
        value = [value]
    torch.save({'state_dict': TENSORS, 'meta': value}, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='x.pth is no checkpoint: its containers are nested'):
        load(tmp_path / 'x.pth')


def test_load_from_local__a_flipped_bit(tmp_path):
    """Everywhere in the data: torch.save's checksums cover it, whichever release reads it."""
    torch.save({'state_dict': {'a': torch.ones(300)}}, tmp_path / 'x.pth')
    data = (tmp_path / 'x.pth').read_bytes()
    start = data.find(torch.ones(300).numpy().tobytes())
    for place in (start, start + 601, start + 1199, data.find(b'state_dict')):
        spoilt = bytearray(data)
        spoilt[place] ^= 1
        (tmp_path / 'x.pth').write_bytes(spoilt)
        with pytest.raises(
            ValueError, match=r'x.pth is damaged: the checksum of its entry .* wrong'
        ):
            load(tmp_path / 'x.pth')


def test_allowed_objects__names_are_unique():
    names = [name for _, name in runner_load.allowed_objects()]
    assert len(names) == len(set(names))
    with pytest.raises(pickle.UnpicklingError):
        runner_load._history_method(HistoryBuffer, '__globals__')


@pytest.mark.parametrize('content', [3, [1, 2], torch.ones(2), {'state_dict': {}, 'meta': [1]}])
def test_load_from_local__refuses_what_no_run_writes(content, tmp_path):
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='x.pth is no checkpoint: it'):
        runner_load.load_from_local(str(tmp_path / 'x.pth'))
