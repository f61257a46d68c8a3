import pytest
import torch

from mae_transfer.backbones import PlainViT
from mae_transfer.checkpoints.describe import describe_checkpoint, misfits
from tests.references.checkpoint_files import (
    fair_encoder,
    fair_fine_tuned,
    fair_full,
    make_vit,
    own_checkpoint,
)
from tests.support.hostile_pickles import WritesAFile

BACKBONE = dict(type='PlainViT', arch=dict(embed_dims=32, num_layers=2, num_heads=4), patch_size=8)


def save(path, content):
    torch.save(content, path)
    return path


def test_describe_checkpoint__with_decoder(tmp_path):
    found = describe_checkpoint(save(tmp_path / 'x.pth', fair_full(make_vit().state_dict())))
    assert (found['layout'], found['container'], found['arch']) == ('FAIR MAE full', 'model', None)
    assert found['encoder'] == dict(
        embed_dims=32,
        num_layers=2,
        num_heads=None,
        mlp_ratio=4.0,
        patch_size=[8, 8],
        in_channels=3,
        img_size=[32, 32],
        pos_grid=[4, 4],
        pos_order='xy',
        norm_eps=1e-6,
        act=None,
        layer_scale=False,
    )
    assert found['by']['norm_eps'] == 'layout FAIR MAE full'
    assert found['decoder'] == dict(
        embed_dims=16, num_layers=1, num_heads=None, values_per_patch=192
    )
    assert found['pretraining']['norm_pix'] is True
    assert found['others'] == {} and found['notes'] == []
    assert found['bytes'] == (tmp_path / 'x.pth').stat().st_size
    encoder = sum(p.numel() for p in make_vit().parameters())
    assert found['parameters'] == encoder


def test_describe_checkpoint__our_own(tmp_path):
    vit = make_vit(img_size=(24, 40), layer_scale_init=1.0, qkv_bias='no-key')
    content = own_checkpoint(vit.state_dict(), vit.metadata())
    found = describe_checkpoint(save(tmp_path / 'x.pth', content))
    assert found['encoder']['num_heads'] == 4
    assert found['encoder']['img_size'] == [24, 40]
    assert found['encoder']['pos_grid'] == [3, 5]
    assert found['parts'] == dict(
        class_token=True,
        register_tokens=0,
        pos_embed=[1, 16, 32],
        norm=True,
        fc_norm=False,
        qkv_bias='no-key',
        rel_pos=None,
    )
    assert found['encoder']['layer_scale'] is True
    assert found['decoder'] is None
    assert found['others'] == {'neck': 1, 'head': 1}


def test_describe_checkpoint__published_size_and_fine_tuned(tmp_path):
    tensors = PlainViT('small').state_dict()
    found = describe_checkpoint(
        save(tmp_path / 'x.pth', fair_fine_tuned(tensors)), dict(num_heads=6)
    )
    assert found['layout'] == 'FAIR MAE fine-tuned'
    assert found['arch'] == 'small'
    assert found['by']['num_heads'] == 'facts='
    assert (found['parts']['norm'], found['parts']['fc_norm']) == (False, True)


@pytest.mark.parametrize('rel_pos, kind', [('table', 'table'), ('shared_table', 'shared_table')])
def test_describe_checkpoint__relative_positions(tmp_path, rel_pos, kind):
    vit = make_vit(rel_pos=rel_pos)
    content = own_checkpoint(vit.state_dict(), vit.metadata())
    found = describe_checkpoint(save(tmp_path / 'x.pth', content))
    assert found['parts']['rel_pos'] == kind


def test_describe_checkpoint__what_cannot_be_told_is_a_note(tmp_path):
    tensors = make_vit(img_size=(24, 40)).state_dict()  # 16 rows: 3x5 and a class token, or 4x4
    found = describe_checkpoint(save(tmp_path / 'x.pth', fair_encoder(tensors)))
    assert found['encoder']['pos_grid'] == [4, 4] and found['notes'] == []
    tensors['pos_embed'] = torch.zeros(1, 1 + 3 * 7, 32)
    found = describe_checkpoint(save(tmp_path / 'x.pth', fair_encoder(tensors)))
    assert found['encoder']['pos_grid'] is found['encoder']['img_size'] is None
    assert 'pos_embed of the file has 22 rows, which match no square grid' in found['notes'][0]


def test_describe_checkpoint__no_encoder(tmp_path):
    path = save(tmp_path / 'x.pth', {'conv1.weight': torch.zeros(2, 3, 7, 7)})
    with pytest.raises(ValueError, match='matches no known layout'):
        describe_checkpoint(path)


def test_describe_checkpoint__runs_no_code_of_the_file(tmp_path):
    bomb = WritesAFile(tmp_path / 'written')
    content = fair_encoder(make_vit().state_dict()) | {'extra': bomb}
    path = save(tmp_path / 'x.pth', content)
    with pytest.raises(ValueError, match='was refused'):
        describe_checkpoint(path, trust=False)
    assert not (tmp_path / 'written').exists()


@pytest.mark.parametrize(
    'changes, reasons',
    [
        ({}, []),
        (dict(img_size=512, window_size=4, with_cls_token=False, rel_pos=True), []),
        (dict(qkv_bias='no-key', drop_path_rate=0.1, layer_scale_init=1.0), []),
        (dict(arch='base'), ['width 768 instead of 32', 'blocks 12 instead of 2',
                             'heads 12 instead of 4']),
        (dict(patch_size=16), ['patch 16x16 instead of 8x8']),
        (dict(in_channels=1), ['channels 1 instead of 3']),
        (dict(norm_eps=1e-5), ['norm epsilon 1e-05 instead of 1e-06']),
        (dict(num_register_tokens=2), ['another number of register tokens']),
    ],
)  # fmt: skip
def test_misfits__of_a_config(tmp_path, changes, reasons):
    vit = make_vit()
    content = own_checkpoint(vit.state_dict(), vit.metadata())
    found = describe_checkpoint(save(tmp_path / 'x.pth', content))
    assert misfits(found, BACKBONE | changes) == reasons


@pytest.mark.parametrize(
    'of_file, of_config, reasons',
    [
        (dict(layer_scale_init=1.0), {}, ['no layer scale']),
        (dict(final_norm=False), {}, ['a final norm']),
        (dict(final_norm=False), dict(final_norm=False), []),
        (dict(final_norm=False), dict(out_type='avg'), []),
        (dict(rel_pos='table'), {}, ['no relative positions']),
        (dict(rel_pos='table'), dict(rel_pos='table'), []),
    ],
)
def test_misfits__of_parts(tmp_path, of_file, of_config, reasons):
    vit = make_vit(**of_file)
    content = own_checkpoint(vit.state_dict(), vit.metadata())
    found = describe_checkpoint(save(tmp_path / 'x.pth', content))
    assert misfits(found, BACKBONE | of_config) == reasons
