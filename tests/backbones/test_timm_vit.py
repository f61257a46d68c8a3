import copy
import json
import re
from pathlib import Path

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from timm.models import PretrainedCfg

from mae_transfer.backbones import TimmViT, timm_vit, timm_weights
from mae_transfer.checkpoints.files.metadata import check_metadata
from mae_transfer.layers.rel_pos import resize_rel_pos_table
from tests.support.weights import randomize

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SMALL = dict(depth=3, embed_dim=32, num_heads=2, img_size=(32, 48), patch_size=8)
# Name -> whether its patch tokens have a final layer norm, and what its depth-0 parameters are
FAMILIES = {
    'vit_tiny_patch16_224': (True, {'cls_token', 'pos_embed', 'patch_embed'}),
    'vit_base_patch16_clip_224': (True, {'cls_token', 'pos_embed', 'patch_embed', 'norm_pre'}),
    'deit3_small_patch16_224': (True, {'cls_token', 'pos_embed', 'patch_embed'}),
    'deit_tiny_distilled_patch16_224': (
        True,
        {'cls_token', 'dist_token', 'pos_embed', 'patch_embed'},
    ),
    'vit_small_patch14_reg4_dinov2': (
        True,
        {'cls_token', 'reg_token', 'pos_embed', 'patch_embed'},
    ),
    'vit_small_patch16_dinov3': (True, {'cls_token', 'reg_token', 'patch_embed'}),
    'vit_base_patch16_rope_mixed_224': (True, {'cls_token', 'patch_embed'}),
    'eva02_tiny_patch14_224': (False, {'cls_token', 'pos_embed', 'patch_embed'}),
    'samvit_base_patch16': (False, {'pos_embed', 'patch_embed'}),
    'beit_base_patch16_224': (False, {'cls_token', 'patch_embed'}),
    'vit_base_patch16_rpn_224': (False, {'pos_embed', 'patch_embed'}),
    'vit_relpos_base_patch16_rpn_224': (False, {'patch_embed'}),
    'vit_relpos_small_patch16_224': (False, {'patch_embed'}),
    'vit_relpos_base_patch16_cls_224': (True, {'cls_token', 'patch_embed'}),
    'vit_srelpos_small_patch16_224': (True, {'patch_embed'}),
}
TABLES = ('beit_base_patch16_224', 'vit_relpos_base_patch16_clsgap_224')
TABLE_ARGS = {'vit_relpos_base_patch16_clsgap_224': dict(rel_pos_type='bias')}


def make_timm(name: str, **changes) -> torch.nn.Module:
    arguments = SMALL | dict(num_classes=0) | TABLE_ARGS.get(name, {}) | changes
    return randomize(timm.create_model(name, **arguments)).eval()


def make(name: str = 'vit_tiny_patch16_224', **changes) -> TimmViT:
    arguments = {k: v for k, v in SMALL.items() if k != 'img_size'} | TABLE_ARGS.get(name, {})
    defaults = dict(img_size=SMALL['img_size'], final_norm=FAMILIES.get(name, (False,))[0])
    return TimmViT(name, model_args=arguments, **(defaults | changes))


def like(theirs: torch.nn.Module, name: str, **changes) -> TimmViT:
    """A TimmViT with the weights of timm's model, as far as it has them."""
    ours = make(name, **changes).eval()
    wanted = ours.model.state_dict()
    ours.model.load_state_dict({k: v for k, v in theirs.state_dict().items() if k in wanted})
    return ours


def timm_maps(theirs: torch.nn.Module, images: torch.Tensor, **options) -> list[torch.Tensor]:
    return theirs.forward_intermediates(
        images, output_fmt='NCHW', intermediates_only=True, **options
    )


@pytest.mark.parametrize('name', FAMILIES)
def test_timm_vit__maps_equal_timm(name):
    theirs = make_timm(name)
    images = torch.randn(2, 3, 32, 48)
    got = like(theirs, name, out_indices=(0, 2), final_norm=False)(images)
    for ours, wanted in zip(got, timm_maps(theirs, images, indices=[0, 2]), strict=True):
        assert wanted.shape == (2, 32, 4, 6)
        torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('name', [name for name, (normed, _) in FAMILIES.items() if normed])
def test_timm_vit__final_norm_is_that_of_timm_and_of_the_last_block_only(name):
    theirs = make_timm(name)
    images = torch.randn(1, 3, 32, 48)
    first, last = like(theirs, name, out_indices=(1, 2))(images)
    torch.testing.assert_close(first, timm_maps(theirs, images, indices=[1])[0])
    normed = timm_maps(theirs, images, indices=[2], norm=True)[0]
    torch.testing.assert_close(last, normed, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('name', FAMILIES)
@pytest.mark.parametrize('size', [(24, 64), (33, 47), (8, 8)])
def test_timm_vit__any_size_passes(name, size):
    vit = randomize(make(name)).eval()
    images = torch.randn(2, 3, *size)
    (maps,) = vit(images)
    assert maps.shape == (2, 32, -(-size[0] // 8), -(-size[1] // 8))
    padded = torch.nn.functional.pad(images, (0, -size[1] % 8, 0, -size[0] % 8))
    torch.testing.assert_close(maps, vit(padded)[0])
    assert maps.std() > 0 and torch.isfinite(maps).all()


@pytest.mark.parametrize('name', [name for name in FAMILIES if not re.search('beit|rel', name)])
def test_timm_vit__other_sizes_equal_timm(name):
    dynamic = {} if name.startswith('samvit') else dict(dynamic_img_size=True)
    theirs = make_timm(name, **dynamic)
    theirs.patch_embed.strict_img_size = False
    images = torch.randn(1, 3, 24, 64)
    (got,) = like(theirs, name, final_norm=False)(images)
    torch.testing.assert_close(got, timm_maps(theirs, images, indices=[2])[0])


@pytest.mark.parametrize('name', TABLES)
def test_timm_vit__tables_follow_the_grid(name):
    """At another size it is timm's model of that size with tables resized as BEiT resizes them."""
    native, other = make_timm(name), make_timm(name, img_size=(24, 64))
    state = native.state_dict()
    tables = [key for key in state if key.endswith('relative_position_bias_table')]
    assert len(tables) == 3
    for key in tables:
        state[key] = resize_rel_pos_table(state[key], (4, 6), (3, 8), 1)
    other.load_state_dict(state)
    vit = like(native, name)
    images = torch.randn(1, 3, 24, 64)
    expected = timm_maps(other, images, indices=[2])[0]
    torch.testing.assert_close(vit(images)[0], expected, rtol=1e-5, atol=1e-5)
    vit(images)[0].sum().backward()
    assert vit.get_parameter(f'model.{tables[0]}').grad.abs().sum() > 0


@pytest.mark.parametrize('name', FAMILIES)
def test_timm_vit__every_parameter_is_used_and_has_its_depth(name):
    """An unused parameter stops distributed training; a wrong depth trains at a wrong rate."""
    vit = randomize(make(name))
    vit(torch.randn(2, 3, 24, 64))[0].square().mean().backward()
    assert [key for key, p in vit.named_parameters() if p.grad is None] == []
    depth_0 = set()
    for key, _ in vit.named_parameters():
        depth, num_depths = vit.get_layer_depth(key)
        assert num_depths == 5
        assert (depth, num_depths) == vit.get_layer_depth(f'backbone.{key}', 'backbone.')
        part = key.split('.')[1]
        if part == 'blocks':
            assert depth == int(key.split('.')[2]) + 1
        else:
            assert depth in (0, 4)
            depth_0 |= {part} if depth == 0 else set()
    assert depth_0 == FAMILIES[name][1]


def test_timm_vit__what_all_blocks_share_and_what_is_outside_learns_at_the_full_rate():
    shared = make('vit_srelpos_small_patch16_224')
    assert shared.get_layer_depth('model.shared_rel_pos.mlp.fc1.weight') == (4, 5)
    mixed = make('vit_base_patch16_rope_mixed_224')
    assert mixed.get_layer_depth('model.rope.freqs') == (4, 5)
    assert mixed.get_layer_depth('model.norm.weight') == (4, 5)
    assert mixed.get_layer_depth('neck.blocks.0.weight', 'backbone.') == (4, 5)


def test_timm_vit__layer_decay_groups():
    """Rate 2: embeddings 1/16 of the base rate, blocks 1/8, 1/4, 1/2, the rest 1."""
    vit = make('vit_small_patch14_reg4_dinov2')
    cfg = dict(
        optimizer=dict(type='AdamW', lr=16.0, weight_decay=0.5),
        constructor='LayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=0.5),
    )
    groups = build_optim_wrapper(vit, cfg).optimizer.param_groups
    settings = {
        name: (group['lr'], group['weight_decay'])
        for group in groups
        for name in group['param_names']
    }
    assert len(groups) == 10 - 1  # no matrix among the last parameters
    assert settings['model.pos_embed'] == settings['model.cls_token'] == (1.0, 0.0)
    assert settings['model.reg_token'] == (1.0, 0.5 if 'reg_token' not in no_decay(vit) else 0.0)
    assert settings['model.patch_embed.proj.weight'] == (1.0, 0.5)
    assert settings['model.blocks.0.attn.qkv.weight'] == (2.0, 0.5)
    assert settings['model.blocks.2.mlp.fc1.weight'] == (8.0, 0.5)
    assert settings['model.blocks.2.ls1.gamma'] == (8.0, 0.0)
    assert settings['model.norm.weight'] == (16.0, 0.0)
    assert settings.keys() == dict(vit.named_parameters()).keys()


def no_decay(vit: TimmViT) -> set[str]:
    return {name.removeprefix('model.') for name in vit.no_weight_decay()}


def test_timm_vit__no_weight_decay_names_own_parameters():
    assert no_decay(make()) == {'pos_embed', 'cls_token'}  # timm also names a dist_token
    tables = {f'blocks.{i}.attn.relative_position_bias_table' for i in range(3)}
    assert no_decay(make('beit_base_patch16_224')) == {'cls_token'} | tables


@pytest.mark.parametrize('frozen_stages, blocks', [(-1, 0), (0, 0), (2, 2), (3, 3)])
def test_timm_vit__frozen_stages(frozen_stages, blocks):
    name = 'vit_small_patch14_reg4_dinov2'
    vit = make(name, frozen_stages=frozen_stages, drop_path_rate=0.5).train()
    for key, parameter in vit.named_parameters():
        depth, _ = vit.get_layer_depth(key)
        frozen = frozen_stages >= 0 and depth <= blocks or frozen_stages == 3
        assert parameter.requires_grad is not frozen, key
    assert [block.training for block in vit.model.blocks] == [i >= blocks for i in range(3)]


def test_timm_vit__norm_before_the_blocks_is_frozen_with_the_embeddings():
    model = make('vit_base_patch16_clip_224', frozen_stages=0).model
    assert not any(p.requires_grad for p in model.norm_pre.parameters())
    assert all(p.requires_grad for p in model.blocks.parameters())


@pytest.mark.parametrize('with_cp', [True, False])
def test_timm_vit__recomputes_activations_when_asked(with_cp):
    vit, runs = make(with_cp=with_cp).train(), []
    for block in vit.model.blocks:
        block.attn.register_forward_hook(lambda *_: runs.append(1))
    vit(torch.randn(1, 3, 32, 48))[0].sum().backward()
    assert len(runs) == (6 if with_cp else 3)


@pytest.mark.parametrize(
    'name, number',
    [
        ('vit_tiny_patch16_224', 1),
        ('samvit_base_patch16', 0),
        ('vit_small_patch14_reg4_dinov2', 5),
    ],
)
def test_timm_vit__metadata_count_the_prefix_tokens(name, number):
    assert make(name).metadata()['num_prefix_tokens'] == number


@pytest.mark.parametrize('name', ['vit_tiny_patch16_224', 'beit_base_patch16_224'])
@pytest.mark.parametrize('frozen_stages', [-1, 1])
def test_timm_vit__recomputed_activations_give_the_same_gradients(name, frozen_stages):
    kept = randomize(make(name, frozen_stages=frozen_stages)).train()
    recomputed = make(name, frozen_stages=frozen_stages, with_cp=True).train()
    recomputed.load_state_dict(kept.state_dict())
    images = torch.randn(2, 3, 32, 48)
    for vit in (kept, recomputed):
        vit(images)[0].square().mean().backward()
    for (key, a), b in zip(kept.named_parameters(), recomputed.parameters(), strict=True):
        if a.requires_grad:
            torch.testing.assert_close(a.grad, b.grad, msg=key)
        else:
            assert a.grad is b.grad is None


def test_timm_vit__drop_path_grows_with_depth():
    vit = make(drop_path_rate=0.5)
    rates = [getattr(block.drop_path1, 'drop_prob', 0.0) for block in vit.model.blocks]
    assert rates == [0.0, 0.25, 0.5]


def test_timm_vit__init_weights_keeps_what_timm_made():
    vit = make()
    before = copy.deepcopy(vit.state_dict())
    vit.init_weights()
    for key, tensor in vit.state_dict().items():
        assert torch.equal(tensor, before[key]), key


def test_timm_vit__copies_keep_their_own_grid():
    """As MMEngine's averaged models copy it."""
    vit = randomize(make('beit_base_patch16_224')).eval()
    twin = copy.deepcopy(vit)
    images = torch.randn(1, 3, 24, 64)
    expected = vit(images)[0]
    vit(torch.randn(1, 3, 32, 32))
    torch.testing.assert_close(twin(images)[0], expected)


@pytest.mark.parametrize('name', FAMILIES)
def test_timm_vit__metadata_are_plain_and_true(name):
    facts = make(name).metadata()
    assert json.loads(json.dumps(facts)) == facts
    check_metadata(facts)
    expected = dict(embed_dims=32, num_layers=3, num_heads=2, patch_size=[8, 8], pos_grid=[4, 6])
    assert {key: facts[key] for key in expected} == expected
    if name in ('vit_tiny_patch16_224', 'samvit_base_patch16'):
        assert facts['layer_scale'] is False
    if name in ('deit3_small_patch16_224', 'beit_base_patch16_224', 'vit_small_patch16_dinov3'):
        assert facts['layer_scale'] is True


# ---- pre-trained weights -------------------------------------------------------------------


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def file_of(tmp_path: Path, name: str = 'vit_tiny_patch16_224', **changes) -> tuple[Path, dict]:
    state = make_timm(name, num_classes=7, **changes).state_dict()
    return save(tmp_path / 'timm.pth', state), state


def test_timm_vit__loads_a_file_of_timm(tmp_path):
    path, state = file_of(tmp_path)
    vit = make(pretrained=path)
    for name, tensor in vit.model.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert 'state_dict' not in vit.model.pretrained_cfg


def test_timm_vit__tells_the_statistics_of_the_images(tmp_path, monkeypatch):
    """They are in 0 to 1 in timm, and in 0 to 255 in a config."""
    told = []
    monkeypatch.setattr(timm_vit, 'print_log', lambda text, **_: told.append(text))
    make(pretrained=file_of(tmp_path)[0])
    assert 'mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]' in told[0]


def test_timm_facts__exact_gelu_or_another():
    assert timm_weights.timm_facts('vit_base_patch16_224')['act'] == 'gelu'
    assert timm_weights.timm_facts('vit_base_patch16_clip_quickgelu_224')['act'] == 'QuickGELU'


def test_timm_vit__loads_a_file_of_mae_with_decoder(tmp_path):
    """The name `mask_token` alone makes timm take the file for DINOv2's."""
    state = make_timm('vit_tiny_patch16_224').state_dict()
    state |= {'mask_token': torch.randn(1, 1, 16), 'decoder_embed.weight': torch.randn(16, 32)}
    vit = make(pretrained=str(save(tmp_path / 'mae.pth', {'model': state})))
    assert torch.equal(vit.model.norm.weight, state['norm.weight'])


def test_timm_vit__resizes_positions_once(tmp_path):
    path, state = file_of(tmp_path, img_size=(64, 64))
    vit = make(pretrained=path)
    assert vit.model.pos_embed.shape == (1, 1 + 4 * 6, 32)
    assert torch.equal(vit.model.pos_embed[:, 0], state['pos_embed'][:, 0])


def test_timm_vit__adapts_the_projection_to_one_channel(tmp_path):
    path, state = file_of(tmp_path)
    vit = make(pretrained=path, in_channels=1)
    expected = state['patch_embed.proj.weight'].sum(1, keepdim=True)
    torch.testing.assert_close(vit.model.patch_embed.proj.weight, expected)
    assert vit(torch.randn(1, 1, 32, 48))[0].shape == (1, 32, 4, 6)


def test_timm_vit__true_takes_the_cached_weights(tmp_path, monkeypatch):
    path, state = file_of(tmp_path)
    asked = []

    def cached(repo, name, revision=None):
        asked.append((repo, name))
        return str(path) if name == 'pytorch_model.bin' else None

    monkeypatch.setattr(timm_weights, 'try_to_load_from_cache', cached)
    vit = make('vit_tiny_patch16_224.augreg_in21k', pretrained=True, final_norm=True)
    assert torch.equal(vit.model.cls_token, state['cls_token'])
    repo = 'timm/vit_tiny_patch16_224.augreg_in21k'
    assert asked == [(repo, 'model.safetensors'), (repo, 'pytorch_model.bin')]


def test_timm_weights__found_where_torch_hub_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setattr(timm_weights, 'try_to_load_from_cache', lambda *_, **__: None)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    name = 'vit_base_patch16_224.mae'
    url = timm.models.get_pretrained_cfg(name).url
    if not url:  # today's timm names the hub alone for it
        name = next(n for n in timm.list_pretrained() if timm.models.get_pretrained_cfg(n).url)
        url = timm.models.get_pretrained_cfg(name).url
    (tmp_path / 'checkpoints').mkdir()
    path = tmp_path / 'checkpoints' / url.rpartition('/')[2]
    path.touch()
    assert timm_weights.find_timm_weights(name) == path


def test_timm_vit__missing_weights_are_named_and_nothing_is_downloaded(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError('a download was tried')

    monkeypatch.setattr(timm_weights, 'try_to_load_from_cache', lambda *_, **__: None)
    monkeypatch.setattr('timm.models._hub.hf_hub_download', refuse)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: '/nowhere')
    with pytest.raises(FileNotFoundError, match='timm/vit_tiny_patch16_224.* not in the cache'):
        make(pretrained=True)


@pytest.mark.parametrize(
    'spoil, words',
    [
        (lambda s: s.pop('norm.weight'), 'Missing key.* "norm.weight"'),
        (lambda s: s.update(extra=torch.zeros(1)), 'Unexpected key.* "extra"'),
        (lambda s: s.update({'norm.weight': torch.zeros(8)}), 'size mismatch for norm.weight'),
    ],
)
def test_timm_vit__file_that_does_not_fit(tmp_path, spoil, words):
    path, state = file_of(tmp_path)
    spoil(state)
    torch.save(state, path)
    with pytest.raises(ValueError, match=f'timm.pth does not fit vit_tiny_patch16_224: .*{words}'):
        make(pretrained=path)


def test_timm_vit__file_of_a_list(tmp_path):
    with pytest.raises(ValueError, match='not a file of tensors that can be read safely'):
        make(pretrained=save(tmp_path / 'x.pth', [torch.zeros(1)]))


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 cut', b'\x80\x02cos\nsystem\n(S"x"\ntR.'])
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_timm_vit__file_that_cannot_be_read_safely(tmp_path, content, suffix):
    path = tmp_path / f'x{suffix}'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='not a file of tensors that can be read safely'):
        make(pretrained=path)


def test_timm_vit__file_without_tensors(tmp_path):
    with pytest.raises(ValueError, match='contains no named tensors'):
        make(pretrained=save(tmp_path / 'x.pth', {'epoch': 3}))
    with pytest.raises(FileNotFoundError, match="pretrained='nowhere.pth': there is no such file"):
        make(pretrained='nowhere.pth')


# ---- wrong arguments -----------------------------------------------------------------------


@pytest.mark.parametrize(
    'name, words',
    [
        ('vit_tiny_patch16_225', 'no such architecture; the closest are vit_tiny_patch16_224'),
        ('vit_tiny_patch16_224.in3k', 'no such weights; for vit_tiny_patch16_224 it has'),
        ('resnet50', 'not a plain ViT'),
        ('swin_tiny_patch4_window7_224', 'not a plain ViT.* timm.models.swin_transformer'),
        ('naflexvit_base_patch16_gap', 'not a plain ViT'),
        ('cait_s24_224', 'not a plain ViT'),
    ],
)
def test_timm_vit__name_that_is_none_of_a_vit(name, words):
    with pytest.raises(ValueError, match=f'model_name={name!r}.*{words}'):
        TimmViT(name)


@pytest.mark.parametrize(
    'changes, words',
    [
        (dict(out_indices=3), r'out_indices=\(3,\): the encoder has blocks 0 to 2'),
        (dict(out_indices=(2, 1)), 'must ascend'),
        (dict(out_indices=()), 'must name at least one block'),
        (dict(frozen_stages=4), r'frozen_stages=4: must be in \[-1, 3\]'),
        (dict(drop_path_rate=1.0), r'drop_path_rate=1.0: must be in \[0, 1\)'),
        (
            dict(init_cfg=dict(type='PretrainedViT', checkpoint='x.pth')),
            "pretrained='x.pth'",
        ),
    ],
)
def test_timm_vit__wrong_argument(changes, words):
    with pytest.raises(ValueError, match=words):
        make(**changes)


def test_find_timm_weights__address_with_a_hash(tmp_path, monkeypatch):
    """An address of timm may be a pair with the hash of the file."""
    cfg = PretrainedCfg(url=('https://example.org/vit.pth', 'abc'))
    monkeypatch.setattr('mae_transfer.backbones.timm_weights.get_pretrained_cfg', lambda _: cfg)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints/vit.pth').touch()
    assert (
        timm_weights.find_timm_weights('vit_tiny_patch16_224') == tmp_path / 'checkpoints/vit.pth'
    )


def test_timm_vit__final_norm_that_is_not_there():
    with pytest.raises(ValueError, match='beit_base_patch16_224 has no layer norm for its patch'):
        make('beit_base_patch16_224', final_norm=True)


def test_timm_vit__wrong_channels():
    with pytest.raises(ValueError, match=r'\(1, 4, 32, 48\), but the encoder takes \(B, 3, H, W\)'):
        make()(torch.randn(1, 4, 32, 48))


# ---- recipes -------------------------------------------------------------------------------


def build_with(recipe: str, framework: str, **backbone) -> torch.nn.Module:
    """Build a recipe whose backbone a config of the user replaces."""
    __import__(f'{framework}.models')
    text = (
        f"_base_ = '{CONFIGS / recipe}'\n"
        f"model = dict(backbone=dict(_delete_=True, type='TimmViT', **{backbone!r}))"
    )
    cfg = Config.fromstring(text, '.py')
    cfg.model.data_preprocessor.pop('batch_augments', None)
    with MODELS.switch_scope_and_registry(framework) as registry, torch.device('meta'):
        model = registry.build(cfg.model)
    wrapper = dict(cfg.optim_wrapper, type='OptimWrapper')
    for key in ('dtype', 'loss_scale'):
        wrapper.pop(key, None)
    groups = build_optim_wrapper(model, wrapper).optimizer.param_groups
    model.lr = {name: group['lr'] for group in groups for name in group['param_names']}
    return model


def test_timm_vit__in_the_vitdet_recipe():
    model = build_with(
        'detection/mask-rcnn_vit-base-p16_mae-pre_simple-fpn_16xb4-amp-lsj-100e_coco.py',
        'mmdet',
        model_name='vit_base_patch16_dinov3',
        final_norm=False,
        drop_path_rate=0.1,
    )
    assert isinstance(model.backbone, TimmViT) and model.backbone.embed_dims == 768
    assert model.lr['backbone.model.cls_token'] == pytest.approx(1e-4 * 0.7**13)
    assert model.lr['backbone.model.blocks.11.attn.qkv.weight'] == pytest.approx(1e-4 * 0.7)
    assert model.lr['rpn_head.rpn_cls.weight'] == 1e-4


def test_timm_vit__in_the_upernet_recipe():
    model = build_with(
        'segmentation/upernet_vit-base-p16_mae-pre_8xb2-amp-160k_ade20k-512x512.py',
        'mmseg',
        model_name='beitv2_base_patch16_224',
        img_size=512,
        out_indices=(3, 5, 7, 11),
        final_norm=False,
        drop_path_rate=0.1,
    )
    assert model.backbone.model.patch_embed.grid_size == (32, 32)
    table = 'backbone.model.blocks.0.attn.relative_position_bias_table'
    assert model.lr[table] == pytest.approx(1e-4 * 0.65**12)
    assert model.lr['decode_head.conv_seg.weight'] == 1e-4


@pytest.mark.parametrize('name', ['vit_small_patch16_dinov3', 'beit_base_patch16_224'])
def test_timm_vit__trains_a_detector(name):
    """A step of Mask R-CNN on pictures of odd sizes; every parameter of the backbone learns."""
    import mmdet.models  # noqa: F401
    from mmdet.testing import demo_mm_inputs

    cfg = Config.fromfile(CONFIGS.parent / 'tests/configs/tiny_mask_rcnn.py').model
    arguments = {k: v for k, v in SMALL.items() if k != 'img_size'} | dict(patch_size=16)
    cfg.backbone = dict(
        type='TimmViT', model_name=name, img_size=64, final_norm=False, model_args=arguments
    )
    with MODELS.switch_scope_and_registry('mmdet') as registry:
        model = registry.build(cfg)
        model.init_weights()
        data = demo_mm_inputs(2, [[3, 60, 90], [3, 64, 72]], with_mask=True)
        losses, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    losses.backward()
    assert torch.isfinite(losses)
    assert [key for key, p in model.backbone.named_parameters() if p.grad is None] == []
