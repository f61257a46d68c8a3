"""Files that are broken, foreign or hostile: each ends in one named sentence.

None runs code, none changes the encoder, none leaves anything on the disk or in torch's settings.
"""

import gzip
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from mae_transfer.checkpoints.fit.account import LoadAccount
from mae_transfer.checkpoints.pretrained import load_pretrained
from mae_transfer.compat.safe_load import TRUST_VARIABLE
from mae_transfer.layers.pos_embed import sincos_pos_embed
from tests.references.checkpoint_files import ARCH, fair_encoder, make_vit, own_checkpoint
from tests.support.hostile_pickles import RunsAShell, WritesAFile

VICTIM = 'written_by_a_checkpoint'


def tensors():
    return {name: t.clone() for name, t in make_vit().state_dict().items()}


def saved(content, **kwargs):
    def write(path):
        torch.save(content() if callable(content) else content, path, **kwargs)

    return write


def changed(**by_name):
    """A file of MAE's encoder in which some tensors are replaced, or missing when None."""

    def content():
        state = tensors() | {name.replace('__', '.'): t for name, t in by_name.items()}
        return fair_encoder({name: t for name, t in state.items() if t is not None})

    return saved(content)


def own(**metadata):
    return saved(lambda: own_checkpoint(tensors(), make_vit().metadata() | metadata))


def cut(write):
    def cut_end(path):
        write(path)
        path.write_bytes(path.read_bytes()[:-300])

    return cut_end


def replaced(old, new):
    def write(path):
        changed()(path)
        path.write_bytes(path.read_bytes().replace(old, new))

    return write


def rewrite_zip(change, **kwargs):
    """Write the archive of a good file anew, with changed entries."""

    def write(path):
        buffer = io.BytesIO()
        torch.save(fair_encoder(tensors()), buffer)
        with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, 'w', **kwargs) as new:
            for name in old.namelist():
                new.writestr(name, change(name, old.read(name)))

    return write


def safetensors_header(header, body=b''):
    def write(path):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        path.write_bytes(struct.pack('<Q', len(text)) + text + body)

    return write


def folder(**files):
    """A folder of files; a dict is written as JSON, '{}' in a name stands for a dot."""

    def write(path):
        path.mkdir()
        for name, content in files.items():
            content = content if isinstance(content, str) else json.dumps(content)
            (path / name.replace('_json', '.json').replace('_safe', '.safetensors')).write_text(
                content
            )

    return write


def hugging_face(config):
    def write(path):
        from transformers import ViTConfig, ViTModel

        sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
        sizes |= dict(intermediate_size=128, image_size=32, patch_size=8, layer_norm_eps=1e-6)
        ViTModel(ViTConfig(**sizes)).save_pretrained(path)
        text = json.dumps(json.loads((path / 'config.json').read_text()) | config)
        (path / 'config.json').write_text(text if config else '{"num_attention_heads": 4')

    return write


def object_array(path):
    path.write_bytes(pickle.dumps({'model': {'a': np.array([WritesAFile(VICTIM)], dtype=object)}}))


HUGE = {'blocks.0.norm1.weight': {'dtype': 'F32', 'shape': [2**40], 'data_offsets': [0, 16]}}
SHARDS = {'weight_map': {'embeddings.cls_token': 'model-1.safetensors'}}

# case -> file name, how it is written, arguments of the encoder, what is said
SPOILT = {
    # not a checkpoint at all
    'empty': ('x.pth', lambda p: p.touch(), {}, r'x.pth is empty \(0 bytes\)'),
    'directory': ('x', lambda p: p.mkdir(), {}, 'a directory without a checkpoint'),
    'text': ('x.pth', lambda p: p.write_text('lr = 0.1\n'), {}, 'neither a file of torch.save'),
    'web page': ('x.safetensors', lambda p: p.write_text('<html>'), {}, 'not a complete safe'),
    'pointer of Git LFS': (
        'x.pth',
        lambda p: p.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
        {},
        'is a Git LFS pointer',
    ),
    'gzip': ('x.pth', lambda p: p.write_bytes(gzip.compress(b'x' * 99)), {}, 'neither a file of'),
    'archive of NumPy': (
        'x.pth', lambda p: np.savez(p.open('wb'), a=np.ones(3)), {}, 'not written by torch.save'
    ),
    'pointer to a lost checkpoint': (
        'x', folder(last_checkpoint='/elsewhere/epoch_9.pth'), {}, "epoch_9.pth', but there is"
    ),
    'list of tensors': ('x.pth', saved([torch.ones(2)]), {}, 'no named tensors.*it is a list'),
    'dict without tensors': ('x.pth', saved({'model': {'lr': 1}}), {}, 'contains no named tensors'),
    'another kind of model': (
        'x.pth',
        saved({'state_dict': {'backbone.layer1.0.conv1.weight': torch.ones(2, 2, 3, 3)}}),
        {},
        'no known layout',
    ),
    # damaged on the way
    'truncated zip': ('x.pth', cut(changed()), {}, 'x.pth is truncated'),
    'truncated, old format': (
        'x.pth',
        cut(saved(lambda: fair_encoder(tensors()), _use_new_zipfile_serialization=False)),
        {},
        'x.pth is damaged',
    ),
    'truncated safetensors': (
        'x.safetensors', cut(lambda p: save_file(tensors(), p)), {}, 'not a complete safetensors'
    ),
    'compressed zip': (
        'x.pth',
        rewrite_zip(lambda name, data: data, compression=zipfile.ZIP_DEFLATED),
        {},
        'is a compressed archive',
    ),
    'short record in a zip': (
        'x.pth',
        rewrite_zip(lambda name, data: data[:8] if name.endswith('data/3') else data),
        {},
        'is damaged or was not written by torch.save',
    ),
    'missing record in a zip': (
        'x.pth',
        rewrite_zip(lambda name, data: b'' if name.endswith('data.pkl') else data),
        {},
        'is damaged or was not written by torch.save',
    ),
    'broken directory of a zip': (
        'x.pth',
        replaced(b'PK\x01\x02', b'PK\x01\x00'),
        {},
        'x.pth is damaged',
    ),
    # shapes that lie
    'huge shape, safetensors': (
        'x.safetensors', safetensors_header(HUGE, bytes(16)), {}, 'not a complete safetensors'
    ),
    'huge header, safetensors': (
        'x.safetensors',
        lambda p: p.write_bytes(struct.pack('<Q', 2**62) + b'{}'),
        {},
        'not a complete safetensors',
    ),
    'huge shape over one number': (
        'x.pth',
        changed(pos_embed=torch.zeros(1).expand(1, 2**36, 32)),
        {},
        r"'pos_embed' declares the shape \(1, 68719476736, 32\), .* but holds 4",
    ),
    'huge storage in a zip': (
        'x.pth',
        rewrite_zip(
            lambda name, data: data.replace(b'K\x60', b'J\x00\x00\x00\x7f')
            if name.endswith('data.pkl')
            else data
        ),
        {},
        'is damaged or was not written by torch.save',
    ),
    'sparse tensor': (
        'x.pth', changed(cls_token=torch.zeros(1, 1, 32).to_sparse()), {}, "'cls_token' is sparse"
    ),
    'tensor without data': (
        'x.pth', changed(cls_token=torch.zeros(1, 1, 32, device='meta')), {}, 'has no data'
    ),
    # code
    'code that writes a file': (
        'x.pth',
        saved(lambda: {'model': tensors(), 'args': WritesAFile(VICTIM)}),
        {},
        'refused.*open',
    ),
    'code, old format': (
        'x.pth',
        saved(
            lambda: {'model': tensors(), 'args': RunsAShell(VICTIM)},
            _use_new_zipfile_serialization=False,
        ),
        {},
        'refused.*system.*--trust-checkpoint',
    ),
    'code in a plain pickle': (
        'x.pkl',
        lambda p: p.write_bytes(pickle.dumps({'model': RunsAShell(VICTIM)})),
        {},
        'refused.*system',
    ),
    'code in an array of objects': ('x.pkl', object_array, {}, 'refused.*open'),
    'code under the name of safetensors': (
        'x.safetensors',
        lambda p: p.write_bytes(pickle.dumps(RunsAShell(VICTIM))),
        {},
        'not a complete safetensors',
    ),
    'pickled model': ('x.pth', saved(make_vit), {}, 'refused.*PlainViT'),
    'program of TorchScript': (
        'x.pth',
        lambda p: torch.jit.script(torch.nn.ReLU()).save(str(p)),
        {},
        'is a TorchScript program',
    ),
    # an encoder, but not this one
    'wrong prefix': (
        'x.pth',
        saved(lambda: {'model': {f'net.{name}': t for name, t in tensors().items()}}),
        {},
        'no known layout.*Check its prefix',
    ),
    'two models in one': (
        'x.pth',
        saved(lambda: tensors() | {f'module.{name}': t for name, t in tensors().items()}),
        {},
        'contains tensors twice',
    ),
    'one tensor missing': (
        'x.pth', changed(blocks__1__mlp__fc1__bias=None), {}, r'lacks \(1\): blocks.1.mlp.fc1.bias'
    ),
    'transposed qkv': (
        'x.pth',
        changed(blocks__0__attn__qkv__weight=torch.ones(32, 96)),
        {},
        r'qkv.weight \(32, 96\) instead of \(96, 32\)',
    ),
    'other width': (
        'x.pth', changed(), dict(arch=ARCH | dict(embed_dims=64)), 'width 32 in the file .*, 64 in'
    ),
    'other depth': (
        'x.pth', changed(), dict(arch=ARCH | dict(num_layers=3)), 'blocks 2 in the file .*, 3 in'
    ),
    'other MLP': (
        'x.pth', changed(), dict(arch=ARCH | dict(mlp_ratio=2)), r'another shape \(6\)'
    ),
    'other heads than the metadata': (
        'x.pth', own(), dict(arch=ARCH | dict(num_heads=8)), 'heads 4 in the file .*, 8 in the enc'
    ),
    'other channels, no rule': ('x.pth', changed(), dict(in_channels=1), 'in_channels_rule to one'),
    'positions of no grid': (
        'x.pth', changed(pos_embed=torch.ones(1, 13, 32)), {}, '13 rows, which match no square grid'
    ),
    'layer scale that would be lost': (
        'x.pth', changed(blocks__0__ls1__gamma=torch.ones(32)), {}, 'The file has layer scale'
    ),
    'NaN': ('x.pth', changed(norm__bias=torch.full((32,), torch.nan)), {}, 'NaN.*: norm.bias'),
    'infinity': ('x.pth', changed(norm__bias=torch.full((32,), torch.inf)), {}, 'infinity.*norm'),
    'integers': ('x.pth', changed(norm__bias=torch.ones(32).long()), {}, 'no floating-point'),
    'name that plays tricks on a terminal': (
        'x.pth',
        changed(**{'blocks.0.\x1b[2J\nloaded': torch.ones(1)}),
        {},
        r"place in the encoder \(1\): 'blocks.0.\\x1b\[2J\\nloaded'",
    ),
    # statements that cannot be true
    'metadata of another type': ('x.pth', own(num_heads='4'), {}, "num_heads='4': must be a pos"),
    'metadata that contradict the tensors': (
        'x.pth', own(num_layers=12), {}, "blocks 2 by the file's tensors, but 12 by the file's met"
    ),
    'metadata of another order of axes': (
        'x.pth',
        saved(
            lambda: own_checkpoint(
                tensors() | {'pos_embed': sincos_pos_embed(32, (4, 4), 'xy')},
                make_vit().metadata() | dict(pos_order='yx'),
            )
        ),
        {},
        "axis order of the positions xy by the file's tensors, but yx by the file's metadata",
    ),
    'metadata of another grid': ('x.pth', own(pos_grid=[2, 3]), {}, 'pos_grid=2x3 has 6 places'),
    'metadata that are no dict': (
        'x.pth', saved(lambda: own_checkpoint(tensors(), ['heads'])), {}, 'is a list, not a dict'
    ),
    'config.json of another model': (
        'x', hugging_face(dict(num_hidden_layers=3)), {}, 'blocks 2 by .*, but 3 by config.json'
    ),
    'config.json with another activation': (
        'x', hugging_face(dict(hidden_act='quick_gelu')), {}, 'activation quick_gelu in the file'
    ),
    'config.json cut': ('x', hugging_face({}), {}, 'config.json is not valid JSON'),
    'shard missing': (
        'x', folder(**{'model.safetensors.index_json': SHARDS}), {}, 'shard .*does not exist'
    ),
    'shard in another folder': (
        'x',
        folder(**{'model.safetensors.index_json': {'weight_map': {'a': '../secret.pth'}}}),
        {},
        "names '../secret.pth', which is not a file of its own folder",
    ),
}  # fmt: skip


def everything_below(path: Path) -> dict[str, bytes | None]:
    return {str(p): p.read_bytes() if p.is_file() else None for p in path.rglob('*')}


@pytest.mark.parametrize('case', SPOILT)
def test_load_pretrained__spoilt_file(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    name, write, options, words = SPOILT[case]
    write(tmp_path / name)
    vit = make_vit(seed=1, **options)
    weights = {key: t.clone() for key, t in vit.state_dict().items()}
    files = everything_below(tmp_path)
    settings = set(torch.serialization.get_safe_globals())
    with pytest.raises((ValueError, FileNotFoundError), match=words) as error:
        load_pretrained(vit, tmp_path / name)
    assert '\n' not in str(error.value) and name in str(error.value)
    assert everything_below(tmp_path) == files and VICTIM not in files
    assert set(torch.serialization.get_safe_globals()) == settings
    assert_close(dict(vit.state_dict()), weights, atol=0, rtol=0)
    assert not hasattr(vit, 'load_account')


def test_spoilt_files__the_good_ones_they_are_made_from(tmp_path):
    """Each way of spoiling is the reason of its error, not the way of writing."""
    for write in (changed(), own(), rewrite_zip(lambda name, data: data)):
        write(tmp_path / 'x.pth')
        assert_whole(load_pretrained(make_vit(seed=1), tmp_path / 'x.pth'))
    hugging_face(dict(hidden_act='gelu'))(tmp_path / 'folder')
    assert_whole(load_pretrained(make_vit(seed=1), tmp_path / 'folder'))


def assert_whole(account: LoadAccount) -> None:
    assert {entry['status'] for entry in account.encoder.values()} == {'loaded'}


def test_trusted_file__is_read_and_runs_its_code(tmp_path, monkeypatch):
    """What the flag is for, and what it costs."""
    monkeypatch.chdir(tmp_path)
    saved(lambda: {'model': tensors(), 'args': RunsAShell(VICTIM)})(tmp_path / 'x.pth')
    saved(make_vit)(tmp_path / 'module.pth')
    vit = make_vit(seed=1)
    load_pretrained(vit, tmp_path / 'x.pth', trust=True)
    assert_close(dict(vit.state_dict()), tensors(), atol=0, rtol=0)
    assert Path(VICTIM).exists()
    monkeypatch.setenv(TRUST_VARIABLE, '1')
    vit = make_vit(seed=1)
    load_pretrained(vit, tmp_path / 'module.pth')
    assert_close(dict(vit.state_dict()), tensors(), atol=0, rtol=0)


def test_trusted_file__whose_code_is_not_here(tmp_path):
    (tmp_path / 'x.pkl').write_bytes(b'\x80\x02cno_such_module\nNet\n.')
    with pytest.raises(ValueError, match="cannot be imported here: No module named 'no_such_mod"):
        load_pretrained(make_vit(), tmp_path / 'x.pkl', trust=True)
