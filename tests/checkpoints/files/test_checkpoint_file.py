import os
import pickle
from argparse import Namespace
from datetime import datetime

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file
from torch.testing import assert_close

from mae_transfer.checkpoints.files.checkpoint_file import find_checkpoint, read_checkpoint
from tests.support.hostile_pickles import RunsAShell, WritesAFile

TENSORS = {'blocks.0.norm1.weight': torch.arange(3.0), 'norm.bias': torch.ones(2)}


@pytest.mark.parametrize('container', ['state_dict', 'model', 'module', 'model_ema', 'raw'])
def test_read_checkpoint__unwraps_each_container(tmp_path, container):
    content = TENSORS if container == 'raw' else {container: TENSORS, 'epoch': 3}
    torch.save(content, tmp_path / 'x.pth')
    file = read_checkpoint(tmp_path / 'x.pth')
    assert file.container == container
    assert_close(file.tensors, TENSORS, atol=0, rtol=0)


def test_read_checkpoint__earlier_containers_win_and_empty_ones_do_not(tmp_path):
    ema = {name: tensor + 1 for name, tensor in TENSORS.items()}
    torch.save({'model_ema': ema, 'model': TENSORS, 'state_dict': {}}, tmp_path / 'x.pth')
    file = read_checkpoint(tmp_path / 'x.pth')
    assert file.container == 'model'
    assert_close(file.tensors, TENSORS, atol=0, rtol=0)


def test_read_checkpoint__plain_containers_of_mmengine_and_mae(tmp_path):
    content = {
        'meta': {'time': datetime(2024, 5, 6), 'mae_transfer': {'num_heads': 4}},
        'state_dict': TENSORS,
        'message_hub': {
            'log_scalars': {'loss': HistoryBuffer([1.0, 2.0], [1, 1])},
            'runtime_info': {'best': np.float64(0.5), 'ids': np.arange(3), 'half': np.float32(1)},
        },
        'args': Namespace(lr=0.1),
    }
    torch.save(content, tmp_path / 'x.pth')
    file = read_checkpoint(tmp_path / 'x.pth')
    assert_close(file.tensors, TENSORS, atol=0, rtol=0)
    assert file.metadata == {'num_heads': 4}


def test_read_checkpoint__old_torch_format_and_safetensors(tmp_path):
    torch.save({'model': TENSORS}, tmp_path / 'old.pth', _use_new_zipfile_serialization=False)
    save_file(TENSORS, tmp_path / 'x.safetensors')
    for name in ('old.pth', 'x.safetensors'):
        assert_close(read_checkpoint(tmp_path / name).tensors, TENSORS, atol=0, rtol=0)


@pytest.mark.parametrize(
    'name',
    [
        'module.blocks.0.norm1.weight',
        'module.module.blocks.0.norm1.weight',
        '_orig_mod.module.blocks.0.norm1.weight',
        'module._orig_mod.blocks.0.norm1.weight',
        '_fsdp_wrapped_module.blocks.0._fsdp_wrapped_module.norm1.weight',
        'blocks.0._checkpoint_wrapped_module.norm1.weight',
    ],
)
def test_read_checkpoint__strips_wrappers(tmp_path, name):
    torch.save({name: torch.ones(1)}, tmp_path / 'x.pth')
    assert list(read_checkpoint(tmp_path / 'x.pth').tensors) == ['blocks.0.norm1.weight']


def test_read_checkpoint__module_inside_a_name_stays(tmp_path):
    torch.save({'blocks.0.my_module.module.weight': torch.ones(1)}, tmp_path / 'x.pth')
    assert list(read_checkpoint(tmp_path / 'x.pth').tensors) == ['blocks.0.my_module.module.weight']


def test_read_checkpoint__two_models_in_one_file(tmp_path):
    torch.save({'a.weight': torch.ones(1), 'module.a.weight': torch.ones(1)}, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='twice'):
        read_checkpoint(tmp_path / 'x.pth')


def _truncated(path):
    torch.save({'model': {'a': torch.randn(500)}}, path)
    path.write_bytes(path.read_bytes()[:-200])


def _truncated_old(path):
    torch.save({'model': {'a': torch.randn(500)}}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-200])


def _truncated_safetensors(path):
    save_file({'a': torch.randn(500)}, path)
    path.write_bytes(path.read_bytes()[:-200])


def _foreign_zip(path):
    import zipfile

    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a.txt', 'hello')


SPOILT = {
    'empty.pth': (lambda path: path.write_bytes(b''), 'is empty'),
    'text.pth': (lambda path: path.write_text('lr = 0.1\n'), 'neither a file of torch.save'),
    'page.safetensors': (
        lambda path: path.write_text('<html></html>'),
        'not a complete safetensors',
    ),
    'short.pth': (_truncated, 'truncated'),
    'short_old.pth': (_truncated_old, 'damaged'),
    'short.safetensors': (_truncated_safetensors, 'not a complete safetensors'),
    'archive.pth': (_foreign_zip, 'damaged or was not written by torch.save'),
    'pickle2.pth': (
        lambda path: path.write_bytes(pickle.dumps({'a': 1}, protocol=2)),
        'no named tensors',
    ),
    'pickle4.pth': (
        lambda path: path.write_bytes(pickle.dumps({'a': 1}, protocol=4)),
        'no named tensors',
    ),
    'nothing.pth': (lambda path: torch.save({}, path), 'no named tensors'),
    'empty_model.pth': (lambda path: torch.save({'model': {}}, path), "keys .'model'."),
    'list.pth': (lambda path: torch.save([torch.ones(1)], path), 'it is a list'),
    'tensor.pth': (lambda path: torch.save(torch.ones(1), path), 'it is a Tensor'),
    'module.pth': (lambda path: torch.save(torch.nn.Linear(2, 2), path), 'refused.*Linear'),
}


@pytest.mark.parametrize('name', SPOILT)
def test_read_checkpoint__spoilt_file(tmp_path, name):
    spoil, words = SPOILT[name]
    spoil(tmp_path / name)
    with pytest.raises(ValueError, match=words) as error:
        read_checkpoint(tmp_path / name)
    assert name in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('new_format', [True, False])
@pytest.mark.parametrize('bomb', [WritesAFile, RunsAShell])
def test_read_checkpoint__code_is_refused_and_not_run(tmp_path, bomb, new_format):
    path, victim = tmp_path / 'x.pth', tmp_path / 'written'
    content = {'model': TENSORS, 'args': bomb(victim)}
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(ValueError, match=r'refused.*would have to call .*(open|system)'):
        read_checkpoint(path)
    assert not victim.exists()


def test_read_checkpoint__allowance_does_not_outlive_the_call(tmp_path):
    before = set(torch.serialization.get_safe_globals())
    torch.save({'model': TENSORS, 'args': Namespace(a=1)}, tmp_path / 'x.pth')
    read_checkpoint(tmp_path / 'x.pth')
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'x.pth', weights_only=True)


def test_find_checkpoint__file(tmp_path):
    (tmp_path / 'x.pth').touch()
    assert find_checkpoint(str(tmp_path / 'x.pth')) == tmp_path / 'x.pth'


def test_find_checkpoint__work_dir_by_pointer_also_when_moved(tmp_path):
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        torch.save({'a': torch.ones(1)}, tmp_path / name)
    (tmp_path / 'last_checkpoint').write_text('/an/earlier/place/epoch_1.pth\n')
    assert find_checkpoint(tmp_path) == tmp_path / 'epoch_1.pth'


def test_find_checkpoint__folder_of_files_by_age(tmp_path):
    for age, name in enumerate(['900.pth', '1000.pth', '100.safetensors', 'x.log']):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 + age * (age != 3)))
    assert find_checkpoint(tmp_path) == tmp_path / '100.safetensors'


def test_find_checkpoint__nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        find_checkpoint(tmp_path / 'x.pth')
    (tmp_path / 'train.log').touch()
    with pytest.raises(FileNotFoundError, match='directory without a checkpoint'):
        find_checkpoint(tmp_path)
    (tmp_path / 'last_checkpoint').write_text('epoch_9.pth')
    with pytest.raises(FileNotFoundError, match='epoch_9.pth'):
        find_checkpoint(tmp_path)
