"""The proof of what a run loaded, from MMEngine's runner to the file beside its log."""

import copy
import json
import math
from pathlib import Path

import pytest
import torch

from mae_transfer.checkpoints.export.files import write_file
from mae_transfer.hooks.load_account import FILE_NAME
from tests.references.checkpoint_files import fair_full, make_vit, own_checkpoint
from tests.support.runners import MeanModel, short_runner


def model_of(encoder, classes=2) -> MeanModel:
    return MeanModel(encoder, torch.nn.Linear(32, classes))


def make_runner(tmp_path, model, allow_partial=(), **options):
    hook = dict(type='LoadAccountHook', allow_partial=allow_partial)
    sample = torch.randn(3, 32, 32)
    return short_runner(tmp_path, model, sample, max_iters=1, custom_hooks=[hook], **options)


def written(runner) -> dict:
    return json.loads(Path(runner.log_dir, FILE_NAME).read_text())


def save_model(path, model, metadata=None, **meta):
    meta |= {} if metadata is None else {'mae_transfer': metadata}
    hub = dict(log_scalars={}, runtime_info={}, resumed_keys={})
    torch.save({'meta': meta, 'state_dict': model.state_dict(), 'message_hub': hub}, path)
    return str(path)


def test_load_account__pretrained_encoder(tmp_path):
    path = tmp_path / 'mae.pth'
    torch.save(fair_full(dict(make_vit().state_dict())), path)
    init_cfg = dict(type='PretrainedViT', checkpoint=str(path))
    vit = make_vit(seed=1, img_size=64, out_type='featmap', init_cfg=init_cfg)
    runner = make_runner(tmp_path, model_of(vit))
    runner.train()
    content = written(runner)
    assert content['model'] is None and content['encoders'].keys() == {'backbone'}
    account = content['encoders']['backbone']
    assert account['layout'] == 'FAIR MAE full'
    assert account['encoder'].keys() == vit.state_dict().keys()
    assert account['encoder']['pos_embed'] == {
        'status': 'resized',
        'from': ['pos_embed'],
        'file_shape': [1, 17, 32],
        'shape': [1, 65, 32],
        'how': 'pos_embed 4x4 -> 8x8 bicubic',
    }
    assert account['encoder']['norm.bias'] == {'status': 'loaded', 'from': ['norm.bias']}
    assert account['facts']['norm_eps'] == {'value': 1e-6, 'by': 'layout FAIR MAE full'}
    assert account['facts']['norm_pix'] == {'value': True, 'by': "the file's arguments"}
    assert account['facts']['num_heads']['by'] == "the encoder's config, nothing else states it"
    assert len(account['unused']['decoder']) == 20


def test_load_account__detector_checkpoint(tmp_path):
    """load_from with another head goes on, with the account of both parts."""
    path = save_model(tmp_path / 'x.pth', model_of(make_vit()))
    runner = make_runner(tmp_path, model_of(make_vit(seed=1), classes=5), load_from=path)
    runner.train()
    account = written(runner)['model']
    assert account['misshapen'] == {
        'head.weight': '(2, 32) instead of (5, 32)',
        'head.bias': '(2,) instead of (5,)',
    }
    assert {f'backbone.{name}' for name in make_vit().state_dict()} <= set(account['loaded'])
    assert written(runner)['encoders'] == {}


@pytest.mark.parametrize(
    'spoil, words',
    [
        (lambda state: {f'net.{n}': t for n, t in state.items()}, 'none of its tensors match'),
        (
            lambda state: {n: t for n, t in state.items() if n != 'backbone.norm.bias'},
            r'encoder of the model of the config: 1 missing \(backbone.norm.bias\)',
        ),
        (
            lambda state: state | {'backbone.pos_embed': torch.zeros(1, 50, 32)},
            r'pos_embed \(1, 50, 32\) instead of \(1, 17, 32\)',
        ),
    ],
)
def test_load_account__spoilt_detector_checkpoint(tmp_path, spoil, words):
    source, model = model_of(make_vit()), model_of(make_vit(seed=1))
    torch.save({'state_dict': spoil(source.state_dict()), 'meta': {}}, tmp_path / 'x.pth')
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    runner = make_runner(tmp_path, model, load_from=str(tmp_path / 'x.pth'))
    with pytest.raises(ValueError, match=words):
        runner.train()
    torch.testing.assert_close(dict(model.state_dict()), before, atol=0, rtol=0)


def test_load_account__encoder_file_as_load_from(tmp_path):
    """The mistake that MMEngine's runner only warns about."""
    torch.save(fair_full(dict(make_vit().state_dict())), tmp_path / 'x.pth')
    model = model_of(make_vit(seed=1))
    runner = make_runner(tmp_path, model, load_from=str(tmp_path / 'x.pth'))
    with pytest.raises(ValueError, match='none of its tensors match.*--pretrained'):
        runner.train()


@pytest.mark.parametrize(
    'content',
    [
        lambda state: state,
        lambda state: {'model': state, 'epoch': 3},
        lambda state: {'state_dict': {f'_orig_mod.{name}': t for name, t in state.items()}},
        lambda state: {'model': {f'module.{name}': t for name, t in state.items()}},
    ],
    ids=['top level', 'model', 'compiled', 'distributed'],
)
def test_load_account__any_container_and_wrapper(tmp_path, content):
    """MMEngine and its EMAHook look for ``state_dict`` alone."""
    source, model = model_of(make_vit()), model_of(make_vit(seed=1))
    torch.save(content(dict(source.state_dict())), tmp_path / 'x.pth')
    runner = make_runner(tmp_path, model)
    loaded = runner.load_checkpoint(str(tmp_path / 'x.pth'))
    torch.testing.assert_close(dict(model.state_dict()), dict(source.state_dict()))
    assert len(loaded['state_dict']) == len(source.state_dict())


@pytest.mark.parametrize('heads', [4, 8])
def test_load_account__safetensors_with_metadata(tmp_path, heads):
    """What tools/export.py writes into the header is no tensor, and is compared."""
    source = model_of(make_vit())
    metadata = source.backbone.metadata()
    write_file(tmp_path / 'x.safetensors', source.state_dict(), metadata, 'state_dict', {})
    arch = dict(embed_dims=32, num_layers=2, num_heads=heads)
    model = model_of(make_vit(seed=1, arch=arch))
    runner = make_runner(tmp_path, model, load_from=str(tmp_path / 'x.safetensors'))
    if heads == 8:
        with pytest.raises(ValueError, match=r'attention heads 4 in the file .*, 8 in the enc'):
            runner.train()
        return
    runner.train()
    account = written(runner)['model']
    assert account['left_over'] == [] and len(account['loaded']) == len(source.state_dict())


def test_load_account__heads_of_the_metadata(tmp_path):
    """12 heads in a model of 6: shapes agree, the function does not."""
    source = model_of(make_vit())
    path = save_model(tmp_path / 'x.pth', source, source.backbone.metadata())
    arch = dict(embed_dims=32, num_layers=2, num_heads=8)
    runner = make_runner(tmp_path, model_of(make_vit(seed=1, arch=arch)), load_from=path)
    with pytest.raises(ValueError, match=r'attention heads 4 in the file .*, 8 in the encoder'):
        runner.train()


def test_load_account__resume_has_to_be_whole(tmp_path):
    source = model_of(make_vit(), classes=5)
    path = save_model(tmp_path / 'x.pth', source, epoch=0, iter=1)
    runner = make_runner(tmp_path, model_of(make_vit(seed=1)), load_from=path, resume=True)
    with pytest.raises(ValueError, match='fit the model of the config: 2 of another shape'):
        runner.train()


def test_load_account__only_a_checkpoint_of_a_run_is_resumed(tmp_path):
    """Weights alone, which load_from takes: MMEngine would end with a KeyError."""
    path = save_model(tmp_path / 'x.pth', model_of(make_vit()))
    runner = make_runner(tmp_path, model_of(make_vit(seed=1)), load_from=path, resume=True)
    with pytest.raises(ValueError, match=r'x.pth cannot be resumed: .*only weights.*load_from'):
        runner.train()


@pytest.mark.parametrize('resume', [False, True])
def test_load_account__numbers_that_are_not_finite(tmp_path, resume):
    """A buffer of the model may hold infinities; a weight may not."""
    model = model_of(make_vit())
    model.register_buffer('mask', torch.tensor([0.0, -math.inf]))
    path = save_model(tmp_path / 'x.pth', model, epoch=0, iter=0)
    make_runner(tmp_path, copy.deepcopy(model), load_from=path, resume=resume).train()
    model.backbone.norm.weight.data[1] = math.inf
    save_model(tmp_path / 'x.pth', model, epoch=0, iter=0)
    runner = make_runner(tmp_path, copy.deepcopy(model), load_from=path, resume=resume)
    with pytest.raises(ValueError, match='x.pth is refused: .*not finite in backbone.norm.weight'):
        runner.train()


def test_load_account__allow_partial(tmp_path):
    content = own_checkpoint(dict(make_vit(final_norm=False).state_dict()))
    torch.save(content, tmp_path / 'x.pth')
    options = dict(load_from=str(tmp_path / 'x.pth'), allow_partial=['backbone.norm.*'])
    runner = make_runner(tmp_path, model_of(make_vit(seed=1)), **options)
    runner.train()
    assert written(runner)['model']['let_pass'] == ['backbone.norm.weight', 'backbone.norm.bias']


def test_load_account__nothing_loaded_nothing_written(tmp_path):
    runner = make_runner(tmp_path, model_of(make_vit()))
    runner.train()
    assert not list(tmp_path.rglob(FILE_NAME))
