"""Files for other libraries: their own models load them strictly and compute the same."""

import json
from pathlib import Path

import pytest
import timm
import torch
from mmengine.registry import MODELS
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from mae_transfer.backbones import PlainViT
from mae_transfer.checkpoints.export.export import export_checkpoint
from mae_transfer.checkpoints.files.checkpoint_file import read_checkpoint
from mae_transfer.checkpoints.files.pretraining_metadata import pretraining_metadata
from mae_transfer.checkpoints.pretrained import load_pretrained
from mae_transfer.pretrain import MaskedAutoencoder
from tests.references.checkpoint_files import fair_fine_tuned, fair_full, make_vit, own_checkpoint

# Encoders that differ in what targets have a place for
SCALED = dict(layer_scale_init=0.5)
NO_KEY = dict(qkv_bias='no-key')
BARE = dict(qkv_bias=False)
PLAIN = {}


def save_own(folder: Path, vit: PlainViT, name: str = 'own.pth') -> Path:
    path = folder / name
    torch.save(own_checkpoint(vit.state_dict(), vit.metadata()), path)
    return path


def encoder(**kwargs) -> PlainViT:
    """A PlainViT that gives all tokens, of which each tensor is random, layer scale too."""
    vit = make_vit(out_type='tokens', **kwargs)
    for name, parameter in vit.named_parameters():
        if name.endswith('gamma'):
            nn.init.uniform_(parameter, 0.2, 1.5)
    return vit


def own_mae(mask_ratio: float = 0.5, norm_pix: bool = True, **backbone) -> MaskedAutoencoder:
    arch = dict(embed_dims=32, num_layers=2, num_heads=4)
    decoder = dict(embed_dims=16, num_layers=1, num_heads=2)
    cfg = dict(
        type='MaskedAutoencoder',
        data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[1, 2, 3], std=[4, 5, 6]),
        backbone=dict(type='PlainViT', arch=arch, img_size=32, patch_size=8) | backbone,
        neck=dict(type='MAEDecoder', encoder_dims=32, grid=(4, 4), out_dims=192, **decoder),
        head=dict(type='MaskedPatchLoss'),
        target_generator=dict(type='PixelTarget', norm_pix=norm_pix, patch_size=8),
        mask_ratio=mask_ratio,
    )
    with MODELS.switch_scope_and_registry('mmpretrain') as registry:
        model = registry.build(cfg).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


def save_mae(folder: Path, model: MaskedAutoencoder) -> Path:
    facts = model.backbone.metadata() | pretraining_metadata(model)
    path = folder / 'mae.pth'
    torch.save({'state_dict': model.state_dict(), 'meta': {'mae_transfer': facts}}, path)
    return path


def tensors_of(path: Path) -> dict[str, Tensor]:
    if path.suffix == '.safetensors':
        return load_file(path)
    content = torch.load(path, weights_only=True)
    return content.get('state_dict', content.get('model'))


def assert_close(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


# ---- timm ----------------------------------------------------------------------------------


@pytest.mark.parametrize('suffix', ['safetensors', 'pth'])
@pytest.mark.parametrize(
    'changes, folded',
    [
        (PLAIN, False),
        (SCALED, False),
        (NO_KEY, False),
        (BARE, False),
        (dict(img_size=(24, 40)), False),
        (dict(patch_size=(8, 4)), False),
        (dict(in_channels=1), False),
        (dict(with_cls_token=False), False),
        (dict(num_register_tokens=2), True),
    ],
)
def test_export__timm(tmp_path, changes, folded, suffix):
    vit = encoder(**changes)
    export = export_checkpoint(save_own(tmp_path, vit), 'timm', file_format=suffix)
    assert export.path == tmp_path / f'own_timm.{suffix}'
    theirs = timm.create_model(**export.arguments, checkpoint_path=str(export.path)).eval()
    theirs.load_state_dict(tensors_of(export.path), strict=True)
    images = torch.randn(2, vit.in_channels, *vit.img_size)
    assert_close(theirs.forward_features(images), vit(images)[0])
    if not folded:
        for name, tensor in vit.state_dict().items():
            if not name.endswith('_bias'):
                assert torch.equal(tensors_of(export.path)[name], tensor), name


def test_export__timm_with_the_norm_of_the_mean(tmp_path):
    vit = make_vit(out_type='avg')
    export = export_checkpoint(save_own(tmp_path, vit), 'timm')
    theirs = timm.create_model(**export.arguments, checkpoint_path=str(export.path)).eval()
    images = torch.randn(2, 3, 32, 32)
    assert_close(theirs(images), vit(images)[0])


def test_export__timm_from_a_distilled_deit(tmp_path):
    theirs = timm.create_model(
        'deit_tiny_distilled_patch16_224', img_size=32, patch_size=8, embed_dim=32, depth=2,
        num_heads=4, num_classes=3,
    ).eval()  # fmt: skip
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    torch.save({'model': theirs.state_dict()}, tmp_path / 'deit.pth')
    export = export_checkpoint(
        tmp_path / 'deit.pth', 'timm', tmp_path / 'x.pth', 'pth', dict(num_heads=4)
    )
    again = timm.create_model(**export.arguments, checkpoint_path=str(export.path)).eval()
    images = torch.randn(2, 3, 32, 32)
    assert_close(again.forward_features(images), theirs.forward_features(images))
    assert any('register token' in step for step in export.steps)


# ---- Hugging Face --------------------------------------------------------------------------


def hub_model(name: str, folder: Path, **options) -> nn.Module:
    """Load a folder as its library does; nothing may be missing, left over or of another shape."""
    import transformers

    model, info = getattr(transformers, name).from_pretrained(
        folder, output_loading_info=True, **options
    )
    for problem in ('missing_keys', 'unexpected_keys', 'mismatched_keys', 'error_msgs'):
        assert not info[problem], (problem, info[problem])
    return model.eval()


@pytest.mark.parametrize(
    'changes, eps',
    [
        (PLAIN, 1e-6),
        (SCALED, 1e-6),
        (NO_KEY, 1e-6),
        (BARE, 1e-5),
        (dict(img_size=(24, 40), in_channels=1), 1e-6),
    ],
)
def test_export__hugging_face_vit(tmp_path, changes, eps):
    vit = encoder(norm_eps=eps, **changes)
    export = export_checkpoint(save_own(tmp_path, vit), 'hf-vit')
    assert sorted(path.name for path in export.path.iterdir()) == [
        'config.json',
        'model.safetensors',
    ]
    theirs = hub_model('ViTModel', export.path, add_pooling_layer=False)
    assert theirs.config.layer_norm_eps == eps
    images = torch.randn(2, vit.in_channels, *vit.img_size)
    assert_close(theirs(images).last_hidden_state, vit(images)[0])
    scaled = any('layer scale' in step for step in export.steps)
    assert scaled is (changes is SCALED)
    if changes is PLAIN:
        query = theirs.encoder.layer[1].attention.attention.query.weight
        assert torch.equal(query, vit.blocks[1].attn.qkv.weight[:32])
        assert torch.equal(theirs.embeddings.position_embeddings, vit.pos_embed)


@pytest.mark.parametrize('norm_pix', [True, False])
@pytest.mark.parametrize('changes', [PLAIN, SCALED, NO_KEY, BARE])
def test_export__hugging_face_mae(tmp_path, norm_pix, changes):
    """The same prediction and the same loss for the same mask."""
    ours = own_mae(norm_pix=norm_pix, mask_ratio=0.5, **changes)
    export = export_checkpoint(save_mae(tmp_path, ours), 'hf-vitmae')
    theirs = hub_model('ViTMAEForPreTraining', export.path)
    config = theirs.config
    assert (config.norm_pix_loss, config.mask_ratio, config.layer_norm_eps) == (
        norm_pix,
        0.5,
        1e-6,
    )
    assert config.decoder_num_attention_heads == 2
    images, noise = torch.randn(2, 3, 32, 32), torch.rand(2, 16)
    with torch.no_grad():
        out = theirs(images, noise=noise)
        pred, _ = ours.predict_patches(images, mask=out.mask)
        loss = ours.loss(images, mask=out.mask)['loss']
    assert_close(pred, out.logits)
    assert_close(loss, out.loss)
    assert torch.equal(theirs.decoder.decoder_pos_embed, ours.neck.decoder_pos_embed)


def test_export__hugging_face_there_and_back(tmp_path):
    """Our file -> folder -> our file: bit for bit the same, decoder included."""
    ours = own_mae()
    folder = export_checkpoint(save_mae(tmp_path, ours), 'hf-vitmae').path
    back = export_checkpoint(folder, 'mae_transfer', tmp_path / 'back.pth', 'pth')
    expected = {
        name: tensor
        for name, tensor in ours.state_dict().items()
        if name.startswith(('backbone.', 'neck.'))
    }
    got = tensors_of(back.path)
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(got[name], tensor), name
    facts = read_checkpoint(back.path).metadata
    assert (facts['norm_pix'], facts['mask_ratio'], facts['decoder_num_heads']) == (True, 0.5, 2)


# ---- MMPretrain ----------------------------------------------------------------------------


def build_mmpretrain(cfg: dict) -> nn.Module:
    import mmpretrain.models  # noqa: F401

    with MODELS.switch_scope_and_registry('mmpretrain') as registry:
        model = registry.build(cfg)
    model.eval()  # MMPretrain's backbones return None here
    return model


@pytest.mark.parametrize(
    'changes',
    [
        PLAIN,
        SCALED,
        NO_KEY,
        BARE,
        dict(img_size=(24, 40)),
        dict(in_channels=1),
        dict(with_cls_token=False),
    ],
)
def test_export__mmpretrain(tmp_path, changes):
    vit = encoder(**changes)
    export = export_checkpoint(save_own(tmp_path, vit), 'mmpretrain')
    arguments = export.arguments['backbone'] | dict(out_type='raw')
    theirs = build_mmpretrain(arguments)
    tensors = tensors_of(export.path)
    assert all(name.startswith('backbone.') for name in tensors)
    theirs.load_state_dict(
        {name.removeprefix('backbone.'): t for name, t in tensors.items()}, strict=True
    )
    images = torch.randn(2, vit.in_channels, *vit.img_size)
    assert_close(theirs(images)[0], vit(images)[0])
    assert not any('layer scale' in step for step in export.steps)


def test_export__mmpretrain_with_the_norm_of_the_mean(tmp_path):
    vit = make_vit(out_type='avg')
    export = export_checkpoint(save_own(tmp_path, vit), 'mmpretrain')
    theirs = build_mmpretrain(export.arguments['backbone'])
    tensors = tensors_of(export.path)
    theirs.load_state_dict({name.removeprefix('backbone.'): t for name, t in tensors.items()})
    images = torch.randn(2, 3, 32, 32)
    assert_close(theirs(images)[0], vit(images)[0])


@pytest.mark.parametrize('changes', [PLAIN, SCALED])
def test_export__mmpretrain_mae(tmp_path, changes):
    ours = own_mae(**changes)
    export = export_checkpoint(save_mae(tmp_path, ours), 'mmpretrain')
    theirs = build_mmpretrain(dict(export.arguments))
    tensors = tensors_of(export.path)
    theirs.load_state_dict(tensors, strict=True)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        latent, mask, ids_restore = theirs.backbone(images)
        expected = theirs.neck(latent, ids_restore)
        pred, _ = ours.predict_patches(images, mask=mask)
    assert_close(pred, expected)
    assert theirs.head.norm_pix is True


# ---- MAE's code, Detectron2 and our own ----------------------------------------------------


def test_export__mae_with_decoder_has_the_names_and_shapes_of_its_code(tmp_path):
    ours = own_mae()
    export = export_checkpoint(save_mae(tmp_path, ours), 'fair-mae')
    content = torch.load(export.path, weights_only=True)
    expected = fair_full(make_vit().state_dict())['model']
    assert {k: v.shape for k, v in content['model'].items()} == {
        k: v.shape for k, v in expected.items()
    }
    for name, tensor in content['model'].items():
        place = ours.backbone if name in ours.backbone.state_dict() else ours.neck
        assert torch.equal(tensor, place.state_dict()[name]), name
    assert export.arguments['decoder_num_heads'] == 2
    assert export.arguments['norm_pix_loss'] is True


@pytest.mark.parametrize('changes', [PLAIN, SCALED, NO_KEY, BARE])
def test_export__mae_encoder_loads_into_the_class_it_derives_from(tmp_path, changes):
    """models_mae and models_vit derive from timm's VisionTransformer with a bias everywhere."""
    vit = encoder(**changes)
    export = export_checkpoint(save_own(tmp_path, vit), 'fair-mae')
    theirs = timm.create_model(
        'vit_base_patch16_224', img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4,
        num_classes=0,
    ).eval()  # fmt: skip
    theirs.load_state_dict(torch.load(export.path, weights_only=True)['model'], strict=True)
    images = torch.randn(2, 3, 32, 32)
    assert_close(theirs.forward_features(images), vit(images)[0])


def test_export__mae_fine_tuned(tmp_path):
    content = fair_fine_tuned(make_vit().state_dict())
    torch.save(content, tmp_path / 'ft.pth')
    export = export_checkpoint(tmp_path / 'ft.pth', 'fair-mae', facts=dict(num_heads=4))
    assert export.arguments['global_pool'] is True
    assert export.left_out == {'head': ['head.weight', 'head.bias']}
    written = torch.load(export.path, weights_only=True)['model']
    assert torch.equal(written['fc_norm.weight'], content['model']['fc_norm.weight'])


DETECTRON2 = {  # ViTDet's ViT of two blocks, width 32, 4 heads, patches of 8, from 224 pixels
    'pos_embed': (1, 1 + 28 * 28, 32),
    'patch_embed.proj.weight': (32, 3, 8, 8),
    'patch_embed.proj.bias': (32,),
    **{
        f'blocks.{i}.{part}': shape
        for i in range(2)
        for part, shape in {
            'norm1.weight': (32,),
            'norm1.bias': (32,),
            'attn.qkv.weight': (96, 32),
            'attn.qkv.bias': (96,),
            'attn.proj.weight': (32, 32),
            'attn.proj.bias': (32,),
            'attn.rel_pos_h': (15, 8),
            'attn.rel_pos_w': (15, 8),
            'norm2.weight': (32,),
            'norm2.bias': (32,),
            'mlp.fc1.weight': (128, 32),
            'mlp.fc1.bias': (128,),
            'mlp.fc2.weight': (32, 128),
            'mlp.fc2.bias': (32,),
        }.items()
    },
}
VITDET = dict(
    img_size=64,
    pretrain_img_size=224,
    with_cls_token=False,
    rel_pos=True,
    window_size=8,
    final_norm=False,
)


@pytest.mark.parametrize('changes', [PLAIN, SCALED])
def test_export__detectron2_has_the_names_and_shapes_of_its_vit(tmp_path, changes):
    vit = make_vit(**VITDET, **changes)
    nn.init.normal_(vit.blocks[0].attn.rel_pos_h)
    export = export_checkpoint(save_own(tmp_path, vit), 'detectron2')
    content = torch.load(export.path, weights_only=True)
    assert content['matching_heuristics'] is True
    got = {name: tuple(tensor.shape) for name, tensor in content['model'].items()}
    assert got == {f'backbone.net.{name}': shape for name, shape in DETECTRON2.items()}

    again = make_vit(seed=1, **VITDET)
    account = load_pretrained(again, export.path)
    assert account.layout == 'detectron2 ViTDet'
    images = torch.randn(1, 3, 48, 64)
    assert_close(again(images)[0], vit(images)[0])


def test_export__tells_what_was_done_to_encoder_and_decoder(tmp_path):
    """Layer scale of the one is folded; the other's missing biases are zeros."""
    model = own_mae(layer_scale_init=0.5)
    for block in model.neck.decoder_blocks:
        block.attn.qkv.bias = None
    export = export_checkpoint(save_mae(tmp_path, model), 'fair-mae')
    assert [step.partition(':')[0] for step in export.steps] == [
        'layer scale',
        'bias of query, key and value',
    ]


@pytest.mark.parametrize(
    ('changes', 'number'),
    [(PLAIN, 1), (dict(with_cls_token=False), 0), (dict(num_register_tokens=2), 3)],
)
def test_export__metadata_count_the_prefix_tokens(tmp_path, changes, number):
    export = export_checkpoint(save_own(tmp_path, make_vit(**changes)), 'mae_transfer')
    assert read_checkpoint(export.path).metadata['num_prefix_tokens'] == number


def test_export__ratio_of_the_mlp(tmp_path):
    arch = dict(embed_dims=32, num_layers=2, num_heads=4, mlp_ratio=3.0)
    source = save_own(tmp_path, make_vit(arch=arch))
    assert export_checkpoint(source, 'mae_transfer').arguments['arch']['mlp_ratio'] == 3
    assert export_checkpoint(source, 'timm').arguments['mlp_ratio'] == 3


def test_export__detectron2_arguments(tmp_path):
    """Its models are not installed here, so a table."""
    vit = make_vit(img_size=48, rel_pos=True, with_cls_token=False)
    export = export_checkpoint(save_own(tmp_path, vit), 'detectron2')
    assert export.arguments == dict(
        patch_size=8, in_chans=3, embed_dim=32, depth=2, mlp_ratio=4.0, qkv_bias=True,
        use_rel_pos=True, pretrain_img_size=48, pretrain_use_cls_token=True, num_heads=4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ('changes', 'pool'),
    [
        (PLAIN, 'token'),
        (dict(out_type='avg'), 'avg'),
        (dict(with_cls_token=False), 'avg'),
    ],
)
def test_export__timm_pools_as_the_encoder_did(tmp_path, changes, pool):
    export = export_checkpoint(save_own(tmp_path, make_vit(**changes)), 'timm')
    assert export.arguments['global_pool'] == pool
    assert export.arguments['fc_norm'] is ('out_type' in changes)


def test_export__detectron2_says_what_it_drops(tmp_path):
    export = export_checkpoint(save_own(tmp_path, make_vit()), 'detectron2')
    told = '; '.join(export.steps)
    assert 'class token: dropped' in told and 'norm: dropped' in told
    written = tensors_of(export.path)
    assert written['backbone.net.pos_embed'].shape == (1, 17, 32)


@pytest.mark.parametrize('suffix', ['safetensors', 'pth'])
@pytest.mark.parametrize(
    'changes',
    [
        PLAIN,
        SCALED | NO_KEY,
        dict(num_register_tokens=2),
        dict(rel_pos='table', pos_embed=None),
        dict(rel_pos='shared_table'),
        dict(img_size=(24, 40), out_type='avg'),
    ],
)
def test_export__our_own_takes_everything(tmp_path, changes, suffix):
    vit = make_vit(**changes)
    source = save_own(tmp_path, vit)
    export = export_checkpoint(source, 'mae_transfer', file_format=suffix)
    assert export.steps == []
    assert export.left_out == {'neck': ['neck.mask_token'], 'head': ['head.fc.weight']}
    again = PlainViT(**export.arguments)
    account = load_pretrained(again, export.path)
    assert account.layout == 'mae_transfer' and account.changes == []
    for name, tensor in vit.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_export__our_own_of_a_distilled_deit_loads_into_what_it_names(tmp_path):
    """Its distillation token is a register token with a position."""
    tensors = dict(make_vit(num_register_tokens=1).state_dict())
    tensors['dist_token'] = tensors.pop('reg_token')
    tensors['pos_embed'] = torch.randn(1, 18, 32)
    torch.save({'model': tensors}, tmp_path / 'deit.pth')
    export = export_checkpoint(tmp_path / 'deit.pth', 'mae_transfer', facts=dict(num_heads=4))
    again = PlainViT(**export.arguments)
    account = load_pretrained(again, export.path)
    assert account.changes == [
        'dist_token as a register token',
        'rows of the register tokens added to them',
    ]
    assert torch.equal(again.reg_token, tensors['dist_token'] + tensors['pos_embed'][:, 1:2])


def test_export__metadata_stand_in_every_file(tmp_path):
    source = save_mae(tmp_path, own_mae(layer_scale_init=0.5))
    for target in ('mae_transfer', 'fair-mae', 'timm', 'mmpretrain', 'detectron2'):
        facts = read_checkpoint(export_checkpoint(source, target).path).metadata
        assert (facts['num_heads'], facts['norm_eps'], facts['pos_grid']) == (4, 1e-6, [4, 4])
        assert (facts['mean'], facts['norm_pix']) == ([1.0, 2.0, 3.0], True)
        assert facts['layer_scale'] is (target in ('mae_transfer', 'timm', 'mmpretrain'))
    folder = export_checkpoint(source, 'hf-vitmae').path
    with safe_open(folder / 'model.safetensors', framework='pt') as file:
        header = file.metadata()
    assert header['format'] == 'pt'
    assert json.loads(header['mae_transfer'])['decoder_num_heads'] == 2


def test_export__files_hold_no_more_than_their_tensors(tmp_path):
    """A part of a larger tensor must not drag the whole along."""
    vit = make_vit(num_register_tokens=2, img_size=224)
    export = export_checkpoint(save_own(tmp_path, vit), 'timm', file_format='pth')
    for name, tensor in tensors_of(export.path).items():
        assert tensor.untyped_storage().nbytes() == tensor.numel() * 4, name


# ---- what is dropped, stated or refused ------------------------------------------------------


def test_export__decoder_is_dropped_where_there_is_no_place_or_on_demand(tmp_path):
    source = save_mae(tmp_path, own_mae())
    timms = export_checkpoint(source, 'timm')
    assert any(step.startswith('decoder: ') and 'dropped' in step for step in timms.steps)
    assert timms.left_out == {}
    maes = export_checkpoint(source, 'fair-mae', with_decoder=False)
    assert 'decoder_embed.weight' not in tensors_of(maes.path)
    assert any('as --no-decoder says' in step for step in maes.steps)


def fair_file(folder: Path) -> Path:
    torch.save(fair_full(make_vit().state_dict()), folder / 'fair.pth')
    return folder / 'fair.pth'


def test_export__facts_that_no_file_tells_have_to_be_stated(tmp_path):
    source = fair_file(tmp_path)
    with pytest.raises(ValueError, match='--facts num_heads=12 decoder_num_heads=16, with'):
        export_checkpoint(source, 'hf-vitmae')
    stated = dict(num_heads=4, decoder_num_heads=2)
    export = export_checkpoint(source, 'hf-vitmae', facts=stated)
    config = json.loads((export.path / 'config.json').read_text())
    assert config['norm_pix_loss'] is True  # by the arguments of its script
    assert config['mask_ratio'] == 0.75
    assert config['decoder_num_attention_heads'] == 2


@pytest.mark.parametrize(
    'changes, target, words',
    [
        (dict(rel_pos='table'), 'timm', 'has no place for blocks.0.attn.relative_position_bias'),
        (dict(rel_pos='table'), 'detectron2', 'has no place for'),
        (dict(with_cls_token=False), 'hf-vit', 'no class token, which transformers'),
        (dict(num_register_tokens=2), 'mmpretrain', '2 register tokens'),
        (dict(pos_embed=None), 'timm', 'no absolute positions'),
        (dict(final_norm=False), 'timm', 'no final norm'),
        (dict(out_type='avg'), 'hf-vit', r'norms the mean of the patches \(fc_norm\)'),
        (dict(img_size=(24, 40)), 'fair-mae', "grid of positions is 3x5, that of MAE's code is"),
        (dict(patch_size=(8, 4), img_size=(32, 16)), 'detectron2', 'patch is 8x4'),
        (PLAIN, 'hf-vitmae', 'no decoder of MAE.*use --to hf-vit'),
    ],
)
def test_export__encoder_without_a_place_in_the_target(tmp_path, changes, target, words):
    source = save_own(tmp_path, make_vit(**changes))
    with pytest.raises(ValueError, match=rf'own.pth \(mae_transfer file\) cannot .*{words}'):
        export_checkpoint(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ['own.pth']


def test_export__decoder_without_a_place_in_the_target(tmp_path):
    model = own_mae()
    state = model.state_dict()
    state['neck.decoder_pred.weight'] = torch.zeros(7, 16)
    state['neck.decoder_pred.bias'] = torch.zeros(7)
    facts = model.backbone.metadata()
    torch.save({'state_dict': state, 'meta': {'mae_transfer': facts}}, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='its decoder predicts 7 values a patch.*--no-decoder'):
        export_checkpoint(tmp_path / 'x.pth', 'fair-mae')
    export_checkpoint(tmp_path / 'x.pth', 'fair-mae', with_decoder=False)
    del state['neck.decoder_norm.weight']
    torch.save({'state_dict': state, 'meta': {'mae_transfer': facts}}, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='it lacks decoder_norm.weight'):
        export_checkpoint(tmp_path / 'x.pth', 'fair-mae', tmp_path / 'y.pth')


@pytest.mark.parametrize(
    'arguments, words',
    [
        (dict(to='timm', facts=dict(decoder_num_heads=0)), '=0: must be a positive int'),
        (dict(to='timm', facts=dict(mask_ratio=75)), r'=75: must be a float in \(0, 1\)'),
        (dict(to='torchvision'), "--to 'torchvision': must be one of mae_transfer, fair-mae"),
        (dict(to='mmpretrain', file_format='safetensors'), 'reads pth only'),
        (dict(to='hf-vit', file_format='pth'), 'writes a folder with config.json'),
        (dict(to='timm', out='x.pth'), r"'x.pth': must end in .safetensors"),
        (dict(to='timm', facts=dict(num_head=4)), "'num_head' must be one of"),
        (dict(to='timm', facts=dict(num_heads=8)), 'attention heads 4 by .* but 8 by'),
        (dict(to='hf-vit', facts=dict(norm_pix='yes')), "norm_pix='yes': must be True or False"),
    ],
)
def test_export__wrong_argument(tmp_path, arguments, words):
    source = save_own(tmp_path, make_vit())
    with pytest.raises(ValueError, match=words):
        export_checkpoint(source, **arguments)


def test_export__contradiction_about_the_pre_training(tmp_path):
    source = save_mae(tmp_path, own_mae(norm_pix=True))
    with pytest.raises(ValueError, match="'norm_pix': False.*mae.pth states norm_pix=True"):
        export_checkpoint(source, 'hf-vitmae', facts=dict(norm_pix=False))
    export_checkpoint(source, 'hf-vitmae', facts=dict(norm_pix=True))


@pytest.mark.parametrize('place', ['backbone.norm.weight', 'neck.decoder_norm.weight'])
def test_export__broken_weights(tmp_path, place):
    model = own_mae()
    model.get_parameter(place).data[3] = float('nan')
    with pytest.raises(ValueError, match='1 tensors contain NaN, infinity'):
        export_checkpoint(save_mae(tmp_path, model), 'timm')


@pytest.mark.parametrize('target', ['timm', 'mmpretrain', 'hf-vit', 'fair-mae'])
def test_export__image_size_is_that_of_the_stored_positions(tmp_path, target):
    """ViTDet works on 1024 pixels with positions of 224."""
    vit = make_vit(img_size=64, pretrain_img_size=32)
    export = export_checkpoint(save_own(tmp_path, vit), target)
    arguments = export.arguments.get('backbone', export.arguments)
    size = arguments.get('img_size', arguments.get('image_size'))
    assert size in (32, [32, 32])
    assert export.path.exists()


def test_export__our_own_keeps_both_image_sizes(tmp_path):
    vit = make_vit(img_size=64, pretrain_img_size=32)
    export = export_checkpoint(save_own(tmp_path, vit), 'mae_transfer')
    again = PlainViT(**export.arguments)
    assert (again.img_size, again.pos_grid) == ((64, 64), (4, 4))
    assert load_pretrained(again, export.path).changes == []


def test_export__overwrites_nothing(tmp_path):
    source = save_own(tmp_path, make_vit())
    first = export_checkpoint(source, 'timm').path
    before = first.read_bytes()
    with pytest.raises(
        ValueError, match="own_timm.safetensors' exists: remove it or choose another"
    ):
        export_checkpoint(source, 'timm')
    assert first.read_bytes() == before
    folder = export_checkpoint(source, 'hf-vit').path
    with pytest.raises(ValueError, match='exists'):
        export_checkpoint(source, 'hf-vit', folder)
