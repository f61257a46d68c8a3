import json

import pytest
import torch

from tests.references.checkpoint_files import fair_full, make_vit, own_checkpoint
from tests.tools.test_cli_errors import sentence_of


def save_own(folder, **kwargs):
    vit = make_vit(**kwargs)
    torch.save(own_checkpoint(vit.state_dict(), vit.metadata()), folder / 'own.pth')
    return folder / 'own.pth'


def test_export__tells_what_it_did_and_how_to_load_it(run_main, tmp_path):
    source = save_own(tmp_path, layer_scale_init=0.5)
    code, out, err = run_main('export', source, '--to', 'hf-vit', '--out', tmp_path / 'vit')
    assert code == 0, err
    assert 'read: mae_transfer file' in out
    assert 'layer scale: 4 folded into attn.proj and mlp.fc2, exact at inference' in out
    assert 'neck: 1 tensors left out' in out
    assert f'ViTModel.from_pretrained({str(tmp_path / "vit")!r}, add_pooling_layer=False)' in out
    assert json.loads((tmp_path / 'vit' / 'config.json').read_text())['hidden_size'] == 32


def test_export__options(run_main, tmp_path):
    torch.save(fair_full(make_vit().state_dict()), tmp_path / 'fair.pth')
    code, out, err = run_main(
        'export', tmp_path / 'fair.pth', '--to', 'timm', '--format', 'pth', '--no-decoder',
        '--facts', 'num_heads=4', 'norm_eps=1e-6',
    )  # fmt: skip
    assert code == 0, err
    assert (tmp_path / 'fair_timm.pth').is_file()
    assert 'tensors dropped, as --no-decoder says' in out
    assert 'num_heads=4' in out


def test_export__of_a_work_dir(run_main, tmp_path):
    save_own(tmp_path)
    (tmp_path / 'last_checkpoint').write_text('own.pth')
    code, _, err = run_main('export', tmp_path, '--to', 'mae_transfer')
    assert code == 0, err
    assert (tmp_path / 'own_mae_transfer.safetensors').is_file()


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['own.pth', '--to', 'paddle'], "--to 'paddle': must be one of mae_transfer"),
        (['nowhere.pth', '--to', 'timm'], "'nowhere.pth' does not exist"),
        (['own.pth', '--to', 'hf-vitmae'], 'cannot be written for hf-vitmae: it has no decoder'),
        (['own.pth', '--to', 'hf-vit', '--format', 'pth'], 'writes a folder'),
        (['own.pth', '--to', 'timm', '--facts', 'num_heads=3'], 'attention heads 4 by'),
        (['own.pth', '--to', 'timm', '--out', 'own.pth', '--format', 'pth'], 'exists'),
        (['broken.pth', '--to', 'timm'], 'broken.pth'),
    ],
)
def test_export__error_is_one_sentence(run_main, tmp_path, arguments, words):
    save_own(tmp_path)
    (tmp_path / 'broken.pth').write_bytes(b'PK broken')
    assert words in sentence_of(run_main('export', *arguments))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['broken.pth', 'own.pth']
