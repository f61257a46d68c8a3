"""Encoders of every source, through a file, into PlainViT: the features stay.

First the packages that are installed: their own models with random weights, saved by their own
functions. Then sources that are not: files with their exact names, spelt out in the references.
"""

import pickle

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints.pretrained import load_pretrained
from mae_transfer.layers.rel_pos import resize_rel_pos_table
from tests.references import checkpoint_files as sources
from tests.references.checkpoint_files import ARCH, make_vit
from tests.support.weights import randomize

SIZE, GRID = (24, 56), (3, 7)  # 8 pixels a patch
IMAGES = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def weighted(peer: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    randomize(peer, std=0.2).eval()  # which returns None in MMSegmentation's encoders
    return peer


def assert_same(vit, expected, images=IMAGES, atol=1e-5):
    with torch.no_grad():
        assert_close(vit.eval()(images)[0], expected, atol=atol, rtol=1e-5)


# ---- timm --------------------------------------------------------------------------------------


def timm_vit(**options):
    kwargs = dict(img_size=SIZE, patch_size=8, embed_dim=32, depth=2, num_heads=4, num_classes=5)
    return weighted(timm.models.vision_transformer.VisionTransformer(**(kwargs | options)))


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_timm__positions_and_registers(tmp_path, suffix):
    """DINOv2's kind: registers without positions; class token with its position folded in."""
    peer = timm_vit(reg_tokens=4, no_embed_class=True, init_values=0.1)
    path = tmp_path / f'x.{suffix}'
    (save_file if suffix == 'safetensors' else torch.save)(peer.state_dict(), path)
    vit = make_vit(
        img_size=SIZE, num_register_tokens=4, layer_scale_init=1.0, out_type='tokens', seed=1
    )
    account = load_pretrained(vit, path, pos_grid=GRID)
    assert account.changes == ['pos_embed with a class row of zeros']
    assert_same(vit, peer.forward_features(IMAGES))


@pytest.mark.parametrize('class_token', [True, False])
def test_timm__positions_of_registers_are_added_to_them(tmp_path, class_token):
    pool = dict(global_pool='token') if class_token else dict(global_pool='avg', fc_norm=False)
    peer = timm_vit(reg_tokens=3, class_token=class_token, **pool)
    torch.save(peer.state_dict(), tmp_path / 'x.pth')
    options = dict(num_register_tokens=3, with_cls_token=class_token, out_type='tokens')
    vit = make_vit(img_size=SIZE, seed=1, **options)
    account = load_pretrained(vit, tmp_path / 'x.pth', pos_grid=GRID)
    assert account.changes == ['rows of the register tokens added to them']
    assert_same(vit, peer.forward_features(IMAGES))


def test_timm__distilled(tmp_path):
    """DeiT's distillation token is a register token with a position."""
    peer = timm.models.deit.VisionTransformerDistilled(
        img_size=SIZE, patch_size=8, embed_dim=32, depth=2, num_heads=4, num_classes=5
    )
    peer = weighted(peer)
    torch.save({'model': peer.state_dict()}, tmp_path / 'x.pth')
    vit = make_vit(img_size=SIZE, num_register_tokens=1, out_type='tokens', seed=1)
    account = load_pretrained(vit, tmp_path / 'x.pth', pos_grid=GRID)
    assert account.layout == 'DeiT' and account.unused == {
        'head': ['head.weight', 'head.bias', 'head_dist.weight', 'head_dist.bias']
    }
    assert_same(vit, peer.forward_features(IMAGES))
    with pytest.raises(ValueError, match='distillation token counts as one'):
        load_pretrained(make_vit(img_size=SIZE), tmp_path / 'x.pth', pos_grid=GRID)


def test_timm__another_patch_size(tmp_path):
    """As timm's own loader resamples it; the grid is the same, so positions are."""
    peer = timm_vit()
    torch.save(peer.state_dict(), tmp_path / 'x.pth')
    other = timm_vit(img_size=(18, 28), patch_size=(6, 4))
    filtered = timm.models.vision_transformer.checkpoint_filter_fn(peer.state_dict(), other)
    other.load_state_dict(filtered)
    vit = make_vit(img_size=(18, 28), patch_size=(6, 4), out_type='tokens', seed=1)
    account = load_pretrained(vit, tmp_path / 'x.pth', pos_grid=GRID)
    assert account.resized['patch_embed.proj.weight'].old == (32, 3, 8, 8)
    images = torch.randn(2, 3, 18, 28)
    assert_same(vit, other.forward_features(images), images)


def timm_beit(**options):
    kwargs = dict(img_size=SIZE, patch_size=8, embed_dim=32, depth=2, num_heads=4, num_classes=5)
    return weighted(
        timm.models.beit.Beit(init_values=0.1, use_abs_pos_emb=False, **(kwargs | options))
    )


@pytest.mark.parametrize(
    'options, kwargs',
    [
        (dict(use_rel_pos_bias=True), dict(rel_pos='table')),
        (dict(use_shared_rel_pos_bias=True), dict(rel_pos='shared_table')),
        (dict(use_shared_rel_pos_bias=True), dict(rel_pos='table')),
    ],
)
def test_timm__beit(tmp_path, options, kwargs):
    peer = timm_beit(**options)
    torch.save(peer.state_dict(), tmp_path / 'x.pth')
    vit = make_vit(
        img_size=SIZE, pos_embed=None, qkv_bias='no-key', layer_scale_init=1.0, seed=1, **kwargs
    )
    vit.norm = None  # averaging comes before the norm here, which is fc_norm
    account = load_pretrained(vit, tmp_path / 'x.pth')
    assert account.layout == 'BEiT'
    expected = peer.forward_features(IMAGES)[:, 1:].transpose(1, 2).reshape(2, 32, *GRID)
    assert_same(vit, expected)


@pytest.fixture
def cached_timm(tmp_path, monkeypatch):
    """A cache of torch.hub that holds random weights of timm's names."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))

    def cache(name):
        peer = weighted(timm.create_model(name))
        url = timm.get_pretrained_cfg(name).url
        (tmp_path / 'checkpoints').mkdir()
        torch.save(peer.state_dict(), tmp_path / 'checkpoints' / url.rsplit('/', 1)[-1])
        return peer

    return cache


def test_timm__by_name(cached_timm):
    name = 'vit_small_patch16_224.dino'
    peer = cached_timm(name)
    arch = dict(embed_dims=384, num_layers=12, num_heads=6)
    vit = PlainViT(arch, out_type='tokens')
    account = load_pretrained(vit, f'timm:{name}')
    assert account.facts['num_heads'] == (6, f"timm's {name}")
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert_close(vit.eval()(x)[0], peer.forward_features(x), atol=1e-4, rtol=1e-4)
    twelve = PlainViT(arch | dict(num_heads=12))
    with pytest.raises(ValueError, match=rf"heads 6 in the file \(timm's {name}\), 12 in the"):
        load_pretrained(twelve, f'timm:{name}')
    with pytest.raises(FileNotFoundError, match='not in the cache'):
        load_pretrained(vit, 'timm:vit_base_patch16_224.mae')
    with pytest.raises(ValueError, match='no such architecture'):
        load_pretrained(vit, 'timm:vit_bas_patch16_224')


# ---- Hugging Face ------------------------------------------------------------------------------

HF = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
    patch_size=8,
    layer_norm_eps=1e-6,
)


@pytest.mark.parametrize('how', ['safetensors', 'shards', 'bin', 'file'])
@pytest.mark.parametrize('head', [True, False])
def test_hugging_face__vit(tmp_path, how, head):
    from transformers import ViTConfig, ViTForImageClassification, ViTModel

    config = ViTConfig(image_size=SIZE, **HF)
    peer = weighted((ViTForImageClassification if head else ViTModel)(config))
    options = {'shards': dict(max_shard_size='20KB'), 'bin': dict(safe_serialization=False)}
    peer.save_pretrained(tmp_path, **options.get(how, {}))
    assert (tmp_path / 'model.safetensors.index.json').exists() == (how == 'shards')
    path = tmp_path / 'model.safetensors' if how == 'file' else tmp_path
    vit = make_vit(img_size=SIZE, out_type='tokens', seed=1)
    account = load_pretrained(vit, path, pos_grid=GRID)
    assert account.layout == 'Hugging Face ViT'
    heads = ['classifier.bias', 'classifier.weight'] if head else []
    pooler = [] if head else ['pooler.dense.bias', 'pooler.dense.weight']
    assert sorted(account.unused.get('classifier', [])) == heads
    assert sorted(account.unused.get('pooler', [])) == pooler
    assert account.facts['num_heads'] == (4, 'config.json')
    qkv = account.origins['blocks.1.attn.qkv.weight']
    assert [name.split('.')[-2] for name in qkv] == ['query', 'key', 'value']
    body = peer.vit if head else peer
    assert_same(vit, body(IMAGES).last_hidden_state)


def test_hugging_face__vit_mae(tmp_path):
    """With everything visible; its token order is random, so it is put back."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    config = ViTMAEConfig(
        image_size=32,
        mask_ratio=0.0,
        norm_pix_loss=True,
        decoder_hidden_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
        **HF,
    )
    peer = weighted(ViTMAEForPreTraining(config))
    peer.save_pretrained(tmp_path)
    vit = make_vit(out_type='tokens', seed=1)
    account = load_pretrained(vit, tmp_path)
    assert account.layout == 'Hugging Face ViTMAE'
    assert account.facts['norm_pix'] == (True, 'config.json')
    assert {'decoder'} == account.unused.keys()
    images = torch.randn(2, 3, 32, 32)
    noise = torch.arange(16.0).expand(2, -1)
    assert_same(vit, peer.vit(images, noise=noise).last_hidden_state, images)
    with pytest.raises(ValueError, match=r'heads 4 in the file \(config.json\), 8 in the encoder'):
        load_pretrained(make_vit(arch=ARCH | dict(num_heads=8)), tmp_path)


@pytest.mark.parametrize('registers', [0, 4])
def test_hugging_face__dinov2(tmp_path, registers):
    from transformers import (
        Dinov2Config,
        Dinov2Model,
        Dinov2WithRegistersConfig,
        Dinov2WithRegistersModel,
    )

    options = {name: value for name, value in HF.items() if name != 'intermediate_size'}
    if registers:
        config = Dinov2WithRegistersConfig(image_size=32, num_register_tokens=4, **options)
        peer = weighted(Dinov2WithRegistersModel(config))
    else:
        peer = weighted(Dinov2Model(Dinov2Config(image_size=32, **options)))
    peer.save_pretrained(tmp_path)
    vit = make_vit(num_register_tokens=registers, layer_scale_init=1.0, out_type='tokens', seed=1)
    account = load_pretrained(vit, tmp_path)
    assert account.layout == 'Hugging Face DINOv2'
    images = torch.randn(2, 3, 32, 32)
    assert_same(vit, peer(images).last_hidden_state, images)


def test_hugging_face__epsilon_of_its_config(tmp_path):
    """The library's default, 1e-12, is not ours: the file and the encoder contradict each other."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(image_size=32, **{n: v for n, v in HF.items() if n != 'layer_norm_eps'})
    weighted(ViTModel(config)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r'norms 1e-12 in the file \(config.json\), 1e-06 in the'):
        load_pretrained(make_vit(), tmp_path)
    load_pretrained(make_vit(norm_eps=1e-12), tmp_path)


# ---- OpenMMLab ---------------------------------------------------------------------------------

MM_ARCH = dict(embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=128)


def test_mmpretrain__self_supervised_mae(tmp_path):
    from mmpretrain.models import MAE

    loss = dict(type='PixelReconstructionLoss', criterion='L2')
    peer = MAE(
        backbone=dict(type='MAEViT', arch=MM_ARCH, img_size=32, patch_size=8, mask_ratio=0.0),
        neck=dict(
            type='MAEPretrainDecoder',
            num_patches=16,
            patch_size=8,
            embed_dim=32,
            decoder_embed_dim=16,
            decoder_depth=1,
            decoder_num_heads=2,
        ),
        head=dict(type='MAEPretrainHead', patch_size=8, loss=loss),
    )
    weighted(peer)
    torch.save({'meta': {}, 'state_dict': peer.state_dict()}, tmp_path / 'x.pth')
    vit = make_vit(out_type='tokens', seed=1)
    account = load_pretrained(vit, tmp_path / 'x.pth')
    assert account.layout == 'MMPretrain MAE' and 'neck' in account.unused
    images = torch.randn(2, 3, 32, 32)
    assert_same(vit, peer.backbone(images, mask=None)[0], images)


def test_mmpretrain__self_supervised_cae(tmp_path):
    from mmpretrain.models.selfsup.cae import CAEPretrainViT

    peer = CAEPretrainViT(
        arch=MM_ARCH, img_size=32, patch_size=8, layer_scale_init_value=0.1, bias='qv_bias'
    )
    weighted(peer)
    state = {f'backbone.{name}': t for name, t in peer.state_dict().items()}
    state |= {'neck.regressors.0.norm1_q_cross.weight': torch.ones(32)}
    state |= {f'teacher.{name}': t + 1 for name, t in peer.state_dict().items()}
    torch.save({'meta': {}, 'state_dict': state}, tmp_path / 'x.pth')
    vit = make_vit(layer_scale_init=1.0, qkv_bias='no-key', out_type='tokens', seed=1)
    account = load_pretrained(vit, tmp_path / 'x.pth')
    assert account.layout == 'MMPretrain CAE'
    assert account.unused.keys() == {'neck', 'teacher'}
    images = torch.randn(2, 3, 32, 32)
    visible = peer(images, mask=torch.zeros(2, 16, dtype=torch.bool))
    assert_same(vit, visible, images)


@pytest.mark.parametrize('framework', ['mmpretrain', 'mmseg'])
@pytest.mark.parametrize('qkv_bias', ['no-key', True])
def test_openmmlab__beit(tmp_path, framework, qkv_bias):
    """Tables of relative position on a grid of 3x7; the bias is kept split, or joined."""
    if framework == 'mmseg':
        from mmseg.models.backbones import BEiT

        options = dict(embed_dims=32, num_layers=2, num_heads=4, init_values=0.1, out_indices=[1])
        peer = BEiT(img_size=SIZE, patch_size=8, **options, norm_cfg=dict(type='LN', eps=1e-6))
    else:
        from mmpretrain.models.backbones import BEiTViT

        peer = BEiTViT(
            arch=MM_ARCH, img_size=SIZE, patch_size=8, out_type='featmap', final_norm=False
        )
    weighted(peer)
    state = {f'backbone.{name}': t for name, t in peer.state_dict().items()}
    torch.save({'state_dict': state | {'head.fc.weight': torch.ones(2, 2)}}, tmp_path / 'x.pth')
    options = dict(rel_pos='table', pos_embed=None, final_norm=False, layer_scale_init=1.0)
    vit = make_vit(img_size=SIZE, qkv_bias=qkv_bias, seed=1, **options)
    account = load_pretrained(vit, tmp_path / 'x.pth')
    assert account.layout == 'OpenMMLab BEiT'
    assert len(account.unused['computed index']) == 2
    assert_same(vit, peer(IMAGES)[0])


def test_mmsegmentation__mae(tmp_path):
    from mmseg.models.backbones import MAE

    options = dict(embed_dims=32, num_layers=2, num_heads=4, init_values=0.1, out_indices=[1])
    peer = MAE(img_size=SIZE, patch_size=8, **options, norm_cfg=dict(type='LN', eps=1e-6))
    weighted(peer)
    state = {f'backbone.{name}': t for name, t in peer.state_dict().items()}
    torch.save({'state_dict': state | {'decode_head.x': torch.ones(2)}}, tmp_path / 'x.pth')
    options = dict(rel_pos='table', final_norm=False, layer_scale_init=1.0)
    vit = make_vit(img_size=SIZE, seed=1, **options)
    account = load_pretrained(vit, tmp_path / 'x.pth', pos_grid=GRID)
    assert account.layout == 'MMSegmentation MAE'
    assert_same(vit, peer(IMAGES)[0])


def test_openmmlab__tables_on_another_window(tmp_path):
    """4x4 -> 6x6 in MMSegmentation's BEiT, whose own resizing needs an older SciPy, and in ours."""
    from mmseg.models.backbones import BEiT

    options = dict(embed_dims=32, num_layers=2, num_heads=4, init_values=0.1, out_indices=[1])
    options |= dict(patch_size=8, norm_cfg=dict(type='LN', eps=1e-6))
    small, large = (weighted(BEiT(img_size=(side, side), **options)) for side in (32, 48))
    state = {f'backbone.{name}': t for name, t in small.state_dict().items()}
    torch.save({'state_dict': state}, tmp_path / 'x.pth')
    resized = {
        name: resize_rel_pos_table(t, (4, 4), (6, 6), 1) if name.endswith('bias_table') else t
        for name, t in small.state_dict().items()
        if not name.endswith('relative_position_index')
    }
    large.load_state_dict(resized, strict=False)
    plain = dict(rel_pos='table', pos_embed=None, final_norm=False, layer_scale_init=1.0)
    vit = make_vit(img_size=48, qkv_bias='no-key', seed=1, **plain)
    account = load_pretrained(vit, tmp_path / 'x.pth')
    assert account.changes == ["rel_pos tables 2: 4x4 -> 6x6 on BEiT's geometric progression"]
    images = torch.randn(2, 3, 48, 48)
    assert_same(vit, large(images)[0], images)
    oblong = make_vit(img_size=SIZE, qkv_bias='no-key', seed=1, **plain, with_cls_token=False)
    account = load_pretrained(oblong, tmp_path / 'x.pth')
    assert 'without the rows of the class token' in account.changes[0]
    assert oblong.blocks[0].attn.relative_position_bias_table.shape == (5 * 13, 4)


# ---- our own -----------------------------------------------------------------------------------


def test_own__pretraining_run(tmp_path):
    """A masked autoencoder of ours on a grid of 3x7, as a run saves it."""
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS

    import mae_transfer.pretrain  # noqa: F401

    init_default_scope('mmpretrain')
    backbone = dict(type='PlainViT', arch=ARCH, img_size=SIZE, patch_size=8, pos_embed='sincos_xy')
    neck = dict(type='MAEDecoder', encoder_dims=32, grid=GRID, out_dims=192, embed_dims=16)
    model = MODELS.build(
        dict(
            type='MaskedAutoencoder',
            backbone=backbone,
            neck=neck | dict(num_layers=1, num_heads=2),
            head=dict(type='MaskedPatchLoss'),
            target_generator=dict(type='PixelTarget', patch_size=8),
        )
    )
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.2)
    meta = {'mae_transfer': model.backbone.metadata()}
    torch.save({'meta': meta, 'state_dict': model.state_dict()}, tmp_path / 'epoch_1.pth')
    vit = make_vit(img_size=SIZE, seed=1)
    account = load_pretrained(vit, tmp_path)
    assert account.layout == 'mae_transfer' and account.changes == []
    assert account.facts['pos_order'] == ('xy', "the file's tensors")
    assert_same(vit, model.backbone.eval()(IMAGES)[0])
    other = make_vit(img_size=(56, 24), patch_size=(4, 8), seed=1)  # a grid of 14x3
    account = load_pretrained(other, tmp_path)
    assert {name: step.how for name, step in account.resized.items()} == {
        'patch_embed.proj.weight': (
            '8x8 -> 4x8 by the pseudo-inverse of bicubic resizing (FlexiViT)'
        ),
        'pos_embed': 'pos_embed 3x7 -> 14x3 bicubic',
    }


# ---- sources that are not installed: their exact names -----------------------------------------

SCALED = dict(layer_scale_init=0.1)
BEIT_LIKE = dict(SCALED, qkv_bias='no-key')
TABLES = dict(BEIT_LIKE, pos_embed=None, rel_pos='table')
VITDET = dict(with_cls_token=False, rel_pos=True, window_size=3, global_blocks=(1,))
WRAPPINGS = (
    ('module.',),
    ('module.', 'module.'),
    ('_orig_mod.', 'module.'),
    ('_fsdp_wrapped_module.', '_orig_mod.'),
)

WRITTEN = {
    'FAIR MAE encoder': (sources.fair_encoder, {}, 'FAIR MAE encoder'),
    'FAIR MAE full': (sources.fair_full, {}, 'FAIR MAE full'),
    'CAE': (sources.cae_pretraining, BEIT_LIKE, 'CAE'),
    'CAE fine-tuned': (
        lambda t: {'model': sources.beit_names(t)},
        dict(BEIT_LIKE, out_type='avg'),
        'CAE fine-tuned',
    ),
    'CAE linear probe': (sources.linear_probed, BEIT_LIKE, 'CAE fine-tuned'),
    'CAE attentive probe': (
        lambda t: sources.cae_attentive(t, torch.zeros(52, 4)), BEIT_LIKE, 'CAE attentive probe'
    ),
    'MAE linear probe': (sources.linear_probed, {}, 'FAIR MAE encoder'),
    'BEiT fine-tuned': (sources.beit_fine_tuned, dict(TABLES, out_type='avg'), 'BEiT'),
    'MoCo v3': (sources.moco_v3, {}, 'MoCo v3'),
    'DINO': (dict, {}, 'timm ViT'),
    'DINO training': (sources.dino_training, {}, 'DINO training'),
    'DINOv2': (sources.dinov2, dict(SCALED, num_register_tokens=4), 'DINOv2'),
    'DINOv2 training': (sources.dinov2_training, SCALED, 'DINOv2 training, in chunks'),
    'detectron2 ViTDet': (sources.detectron2_vitdet, VITDET, 'detectron2 ViTDet'),
    'MMDetection ViTDet': (sources.mmdet_vitdet, VITDET, 'MMDetection ViTDet'),
    'MMSelfSup MAE': (sources.mmselfsup_mae, {}, 'MMPretrain MAE'),
    'MMSelfSup, extracted': (sources.mmselfsup_extracted, {}, 'MMPretrain ViT'),
    'DeiT': (sources.deit, {}, 'DeiT'),
    'DeiT III': (
        lambda t: {'model': sources.beit_names(t)},
        dict(SCALED, cls_pos_embed=False),
        'DeiT III',
    ),
    **{
        ''.join(prefixes): (
            lambda t, prefixes=prefixes: sources.wrapped(t, *prefixes), {}, 'FAIR MAE encoder'
        )
        for prefixes in WRAPPINGS
    },
}  # fmt: skip


@pytest.mark.parametrize('name', WRITTEN)
@pytest.mark.parametrize('img_size', [32, SIZE])
def test_written__features_stay(tmp_path, name, img_size):
    write, options, layout = WRITTEN[name]
    source = make_vit(img_size=img_size, **options)
    for parameter in source.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    torch.save(write(dict(source.state_dict())), tmp_path / 'x.pth')
    fresh = options | ({'layer_scale_init': 1.0} if 'layer_scale_init' in options else {})
    vit = make_vit(seed=1, img_size=img_size, **fresh)
    grid = None if img_size == 32 or source.pos_embed is None else GRID
    account = load_pretrained(vit, tmp_path / 'x.pth', pos_grid=grid)
    assert account.layout == layout
    assert len(account.loaded) == len(vit.state_dict())
    images = torch.randn(2, 3, *source.img_size)
    assert_same(vit, source(images)[0].detach(), images)


def test_written__detectron2_zoo(tmp_path):
    """A pickle of NumPy arrays, as the zoo has them, in each protocol."""
    source = make_vit(**VITDET, final_norm=False)
    content = sources.detectron2_vitdet(dict(source.state_dict()))
    content['model'] = {name: t.numpy() for name, t in content['model'].items()}
    content['model']['backbone.net.blocks.0.norm1.weight'] = content['model'][
        'backbone.net.blocks.0.norm1.weight'
    ].astype('>f4')
    content['iteration'] = np.int64(7)
    images = torch.randn(2, 3, 32, 32)
    for protocol in (2, 3, 4, 5):
        (tmp_path / 'x.pkl').write_bytes(pickle.dumps(content, protocol=protocol))
        vit = make_vit(seed=1, **VITDET, final_norm=False)
        account = load_pretrained(vit, tmp_path / 'x.pkl')
        assert account.layout == 'detectron2 ViTDet'
        assert account.unused.keys() == {'backbone', 'proposal_generator', 'roi_heads'}
        assert_same(vit, source(images)[0].detach(), images)


def test_written__beit_with_one_table_for_all_blocks(tmp_path):
    source = make_vit(**BEIT_LIKE, pos_embed=None, rel_pos='shared_table')
    table = torch.nn.init.normal_(source.rel_pos_bias.relative_position_bias_table)
    tensors = {n: t for n, t in source.state_dict().items() if not n.startswith('rel_pos_bias')}
    torch.save(sources.beit_pretraining(tensors, table.detach(), 4), tmp_path / 'x.pth')
    vit = make_vit(seed=1, **TABLES | dict(layer_scale_init=1.0))
    account = load_pretrained(vit, tmp_path / 'x.pth')
    assert account.changes == ['shared rel_pos table copied: 2']
    origin = ['rel_pos_bias.relative_position_bias_table']
    assert account.origins['blocks.1.attn.relative_position_bias_table'] == origin
    images = torch.randn(2, 3, 32, 32)
    assert_same(vit, source(images)[0].detach(), images)


@pytest.mark.parametrize(
    'write, heads, options',
    [
        (sources.cae_pretraining, 12, BEIT_LIKE),
        (sources.moco_v3, 12, {}),
        (sources.dino_training, 6, {}),
        (sources.deit, 6, {}),
    ],
)
def test_written__heads_of_width_384_differ_by_source(tmp_path, write, heads, options):
    """CAE-S and MoCo v3-S have 12 heads, DeiT-S and DINO-S have 6; all shapes agree."""
    arch = dict(embed_dims=384, num_layers=1, num_heads=heads)
    source = make_vit(arch=arch, **options)
    torch.save(write(dict(source.state_dict())), tmp_path / 'x.pth')
    options = options | ({'layer_scale_init': 1.0} if options else {})
    load_pretrained(make_vit(arch=arch, seed=1, **options), tmp_path / 'x.pth')
    other = 18 - heads
    wrong = make_vit(arch=arch | dict(num_heads=other), seed=1, **options)
    words = rf'attention heads {heads} in the file \(layout .*\), {other} in the encoder'
    with pytest.raises(ValueError, match=words):
        load_pretrained(wrong, tmp_path / 'x.pth')
    load_pretrained(wrong, tmp_path / 'x.pth', facts=dict(num_heads=other))
