import json

import pytest
import torch

from tests.references.checkpoint_files import fair_full, make_vit, own_checkpoint
from tests.tools.test_cli_errors import sentence_of

CONFIG = """
custom_imports = dict(imports=['no.such.module'], allow_failed_imports=False)
model = dict(backbone=dict(type='PlainViT', arch={arch}, patch_size={patch}))
"""
TINY = dict(embed_dims=32, num_layers=2, num_heads=4)


@pytest.fixture
def folder(tmp_path):
    """A checkpoint, and configs of which one fits as it is and one with another patch."""
    vit = make_vit()
    torch.save(own_checkpoint(vit.state_dict(), vit.metadata()), tmp_path / 'own.pth')
    configs = tmp_path / 'configs'
    for name, arch, patch in (
        ('det/fits.py', TINY, 8),
        ('det/patch.py', TINY, 16),
        ('wide.py', 'base', 8),
        ('_base_/fits.py', TINY, 8),
    ):
        (configs / name).parent.mkdir(parents=True, exist_ok=True)
        (configs / name).write_text(CONFIG.format(arch=repr(arch), patch=patch))
    (configs / 'resnet.py').write_text("model = dict(backbone=dict(type='ResNet'))")
    (configs / 'empty.py').write_text('x = 1')
    return tmp_path


def test_inspect_checkpoint__table(run_main, folder):
    torch.save(fair_full(make_vit().state_dict()), folder / 'fair.pth')
    code, out, err = run_main('inspect_checkpoint', 'fair.pth', '--configs', folder / 'configs')
    assert code == 0, err
    lines = {line.split('  ')[0]: line for line in out.splitlines()}
    assert "FAIR MAE full, tensors in 'model'" in lines['layout']
    assert 'no published size: 2 blocks, width 32, 0.0 M parameters' in lines['arch']
    assert 'not stated' in lines['heads']
    assert '8x8' in lines['patch'] and '32x32' in lines['input size']
    assert '1 blocks, width 16, heads: not stated, 192 values a patch' in lines['decoder']
    assert 'True' in lines['norm-pix']
    assert '0.75' in lines['mask ratio']
    assert 'det/fits.py' in lines['fits as it is']
    assert 'det/patch.py' in lines['fits with resampled patches']
    assert 'wide.py' not in out and '_base_' not in out


def test_inspect_checkpoint__json(run_main, folder):
    code, out, err = run_main(
        'inspect_checkpoint', 'own.pth', '--json', '--configs', folder / 'configs',
        '--facts', 'norm_pix=False',
    )  # fmt: skip
    assert code == 0, err
    found = json.loads(out)
    assert found['layout'] == 'mae_transfer'
    assert found['encoder']['num_heads'] == 4
    assert found['pretraining']['norm_pix'] is False
    assert found['configs'] == {
        'as it is': ['det/fits.py'],
        'with resampled patches': ['det/patch.py'],
    }


@pytest.mark.slow
def test_inspect_checkpoint__finds_the_recipes_of_a_size(run_main, tmp_path):
    """The demo's encoder fits the demo's configs and no other."""
    vit = make_vit(arch=dict(embed_dims=128, num_layers=6, num_heads=4), img_size=64)
    torch.save(own_checkpoint(vit.state_dict(), vit.metadata()), tmp_path / 'x.pth')
    code, out, err = run_main('inspect_checkpoint', 'x.pth', '--json')
    assert code == 0, err
    names = json.loads(out)['configs']['as it is']
    assert len(names) >= 4
    assert all(name.startswith('demo/') for name in names)


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['nowhere.pth'], "'nowhere.pth' does not exist"),
        (['own.pth', '--configs', 'nowhere'], "no folder 'nowhere'"),
        (['text.pth'], 'neither a file of torch.save nor of safetensors'),
        (['own.pth', '--facts', 'heads=3'], "'heads' must be one of"),
    ],
)
def test_inspect_checkpoint__error_is_one_sentence(run_main, folder, arguments, words):
    (folder / 'text.pth').write_text('hello')
    assert words in sentence_of(run_main('inspect_checkpoint', *arguments))
