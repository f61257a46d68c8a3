import json
import logging

import pytest
import timm
import torch
from mmengine.logging import MMLogger
from mmengine.registry import MODELS
from torch.testing import assert_close

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.checkpoints import pretrained as checkpoint_module
from mae_transfer.checkpoints.pretrained import PretrainedViT, load_pretrained
from tests.references.checkpoint_files import (
    ARCH,
    fair_encoder,
    fair_fine_tuned,
    fair_full,
    make_vit,
    own_checkpoint,
)


def trained_tensors(vit):
    return dict(vit.state_dict())


@pytest.mark.parametrize(
    'write, layout, others',
    [
        (fair_encoder, 'FAIR MAE encoder', {}),
        (fair_full, 'FAIR MAE full', {'decoder': 20}),
        (dict, 'timm ViT', {}),
        (own_checkpoint, 'mae_transfer without metadata', {'neck': 1, 'head': 1}),
    ],
)
def test_load_pretrained__layouts(save, write, layout, others):
    source, vit = make_vit(), make_vit(seed=1)
    account = load_pretrained(vit, save(write(trained_tensors(source))))
    assert account.layout == layout
    assert account.loaded == list(vit.state_dict())
    assert {group: len(names) for group, names in account.unused.items()} == others
    assert account.fresh == {} and account.changes == []
    assert_close(trained_tensors(vit), trained_tensors(source), atol=0, rtol=0)
    json.dumps(account.to_dict())


def test_load_pretrained__fine_tuned(save):
    source = make_vit()
    content = fair_fine_tuned(trained_tensors(source))
    path = save(content)
    pooled = make_vit(seed=1, out_type='avg')
    account = load_pretrained(pooled, path)
    assert_close(pooled.fc_norm.weight.data, content['model']['fc_norm.weight'], atol=0, rtol=0)
    assert account.unused == {'head': ['head.weight', 'head.bias']}

    detector = make_vit(seed=1, final_norm=False)
    account = load_pretrained(detector, path)
    assert account.unused.keys() == {'head', 'fc_norm'}
    with pytest.raises(ValueError, match='FAIR MAE fine-tuned.*final_norm=False'):
        load_pretrained(make_vit(), path)


def test_load_pretrained__fc_norm_does_not_come_from_norm(save):
    source, vit = make_vit(), make_vit(seed=1, out_type='avg')
    before = vit.fc_norm.weight.clone()
    account = load_pretrained(vit, save(fair_encoder(trained_tensors(source))))
    assert account.fresh == {'fc_norm': ['fc_norm.weight', 'fc_norm.bias']}
    assert_close(vit.fc_norm.weight, before, atol=0, rtol=0)


def test_load_pretrained__fc_norm_from_norm(save):
    source, vit = make_vit(), make_vit(seed=1, out_type='avg')
    path = save(fair_encoder(trained_tensors(source)))
    account = load_pretrained(vit, path, fc_norm='norm')
    assert account.changes == ['fc_norm from norm'] and account.fresh == account.unused == {}
    assert_close(vit.fc_norm.state_dict(), source.norm.state_dict(), atol=0, rtol=0)
    with pytest.raises(ValueError, match='the encoder has no fc_norm'):
        load_pretrained(make_vit(), path, fc_norm='norm')
    with pytest.raises(ValueError, match=r"fc_norm='avg': must be one of \('fresh', 'norm'\)"):
        load_pretrained(vit, path, fc_norm='avg')


def test_load_pretrained__fc_norm_of_the_file_counts_more_than_its_norm(save):
    tuned = make_vit(out_type='avg')
    path = save(fair_encoder(trained_tensors(tuned)))
    vit = make_vit(seed=1, out_type='avg')
    account = load_pretrained(vit, path, fc_norm='norm')
    assert account.changes == []
    assert_close(vit.fc_norm.state_dict(), tuned.fc_norm.state_dict(), atol=0, rtol=0)


@pytest.mark.parametrize(
    'options, kwargs',
    [
        ({}, {}),
        (dict(init_values=0.3), dict(layer_scale_init=1.0)),
        (dict(no_embed_class=True), {}),
        (dict(class_token=False, global_pool='avg', fc_norm=False), dict(with_cls_token=False)),
        (dict(qkv_bias=False), dict(qkv_bias=False)),
    ],
)
def test_load_pretrained__features_of_timm(save, options, kwargs):
    torch.manual_seed(0)
    peer = timm.models.vision_transformer.VisionTransformer(
        img_size=(24, 56),
        patch_size=8,
        embed_dim=32,
        depth=2,
        num_heads=4,
        num_classes=5,
        **options,
    ).eval()
    for parameter in peer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    vit = make_vit(img_size=(24, 56), out_type='tokens', **kwargs)
    load_pretrained(vit, save(peer.state_dict()))
    x = torch.randn(2, 3, 24, 56)
    assert_close(vit(x)[0], peer.forward_features(x), atol=1e-5, rtol=1e-5)


def test_load_pretrained__features_of_timm_vit_tiny(save):
    torch.manual_seed(0)
    peer = timm.create_model('vit_tiny_patch16_224').eval()
    vit = PlainViT('tiny', out_type='tokens').eval()
    account = load_pretrained(vit, save(peer.state_dict()))
    x = torch.randn(1, 3, 224, 224)
    assert_close(vit(x)[0], peer.forward_features(x), atol=1e-5, rtol=1e-5)
    assert '150/150 encoder tensors; unused: head 2' in account.summary()


@pytest.mark.parametrize('final', ['cls_token', 'avg_featmap'])
def test_load_pretrained__features_of_mmpretrain(save, final):
    from mmpretrain.models.backbones import VisionTransformer

    torch.manual_seed(0)
    peer = VisionTransformer(
        arch=dict(embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=128),
        img_size=(24, 56),
        patch_size=8,
        out_type=final,
        final_norm=final == 'cls_token',
        layer_scale_init_value=0.1,
    )
    peer.eval()
    for parameter in peer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    named = {f'backbone.{name}': tensor for name, tensor in peer.state_dict().items()}
    path = save({'state_dict': named | {'head.fc.weight': torch.ones(2, 32)}, 'meta': {}})
    vit = make_vit(
        img_size=(24, 56),
        out_type={'cls_token': 'cls', 'avg_featmap': 'avg'}[final],
        norm_eps=peer.layers[0].ln1.eps,
        layer_scale_init=1.0,
    )
    account = load_pretrained(vit, path)
    assert account.layout == 'MMPretrain ViT'
    x = torch.randn(2, 3, 24, 56)
    assert_close(vit(x)[0], peer(x)[0], atol=1e-5, rtol=1e-5)


def test_load_pretrained__vitdet_account(save):
    source = make_vit()
    vit = make_vit(
        seed=1,
        img_size=(64, 48),
        with_cls_token=False,
        rel_pos=True,
        window_size=3,
        global_blocks=(1,),
        final_norm=False,
    )
    account = load_pretrained(vit, save(fair_full(trained_tensors(source)), 'mae.pth'))
    assert account.summary().startswith('PretrainedViT: FAIR MAE full file ')
    assert account.summary().endswith(
        'mae.pth: 27/27 encoder tensors; pos_embed 4x4 -> 8x6 bicubic; pos_embed without its class '
        'row; fresh by design: rel_pos 4; unused: decoder 20, cls_token 1, norm 2'
    )
    for name, tensor in vit.state_dict().items():
        if 'rel_pos' in name:
            assert not tensor.any()
        elif name != 'pos_embed':
            assert_close(tensor, source.state_dict()[name], atol=0, rtol=0)


def test_load_pretrained__frozen_sincos_table_is_loaded_not_rebuilt(save):
    source = make_vit()
    vit = PlainViT(ARCH, img_size=32, patch_size=8, pos_embed='sincos_xy')
    load_pretrained(vit, save(fair_encoder(trained_tensors(source))))
    assert_close(vit.pos_embed.data, source.pos_embed.data, atol=0, rtol=0)
    assert not vit.pos_embed.requires_grad


def test_load_pretrained__own_checkpoint_states_its_grid(save):
    source = make_vit(img_size=(16, 64))  # 2x8 places, which without metadata would read as 4x4
    path = save(own_checkpoint(trained_tensors(source), source.metadata()))
    same = make_vit(seed=1, img_size=(16, 64))
    assert load_pretrained(same, path).changes == []
    assert_close(same.pos_embed, source.pos_embed, atol=0, rtol=0)
    other = make_vit(seed=1, img_size=(32, 32))
    assert load_pretrained(other, path).changes == ['pos_embed 2x8 -> 4x4 bicubic']


def test_load_pretrained__failure_changes_nothing_and_names_the_file(save):
    tensors = trained_tensors(make_vit())
    tensors['blocks.1.mlp.fc2.bias'] = torch.zeros(3)
    path = save(fair_encoder(tensors), 'odd.pth')
    vit = make_vit(seed=1)
    before = {name: tensor.clone() for name, tensor in vit.state_dict().items()}
    with pytest.raises(ValueError, match=r'odd.pth \(FAIR MAE encoder file\) does not fit'):
        load_pretrained(vit, path)
    assert_close(dict(vit.state_dict()), before, atol=0, rtol=0)


def test_load_pretrained__heads_in_metadata_contradict(save):
    source = make_vit()
    path = save(own_checkpoint(trained_tensors(source), source.metadata()))
    with pytest.raises(ValueError, match=r'attention heads 4 in the file .*, 8 in'):
        load_pretrained(make_vit(arch=ARCH | dict(num_heads=8)), path)


def test_load_pretrained__less_than_all_only_as_named(save):
    """Every tensor that is let pass is named; the others are loaded, and one more is an error."""
    source = make_vit()
    tensors = trained_tensors(source)
    tensors['norm.odd'] = tensors.pop('norm.bias')
    tensors['blocks.1.mlp.fc2.bias'] = torch.zeros(3)
    path, vit = save(fair_encoder(tensors)), make_vit(seed=1)
    start = {name: t.clone() for name, t in vit.state_dict().items()}
    with pytest.raises(ValueError, match=r'lacks \(1\): norm.bias.*blocks.1.mlp.fc2.bias \(3,\)'):
        load_pretrained(vit, path)
    with pytest.raises(ValueError, match=r'another shape \(1\): blocks.1.mlp.fc2.bias'):
        load_pretrained(vit, path, allow_partial=['norm.*'])
    account = load_pretrained(vit, path, allow_partial=['norm.*', 'blocks.?.mlp.fc2.bias', 'x*'])
    assert account.let_pass == {
        'missing in the file': ['norm.bias'],
        'without a place in the encoder': ['norm.odd'],
        'of another shape': ['blocks.1.mlp.fc2.bias'],
    }
    assert account.changes == ['allow_partial matched nothing for x*']
    assert '28/30 encoder tensors' in account.summary()
    for name, tensor in vit.state_dict().items():
        passed = name in ('norm.bias', 'blocks.1.mlp.fc2.bias')
        assert_close(tensor, start[name] if passed else tensors[name], atol=0, rtol=0)
    nothing = save({'model': {n: t for n, t in tensors.items() if n.startswith('norm')}})
    with pytest.raises(ValueError, match='no known layout'):
        load_pretrained(vit, nothing, allow_partial=['*'])


def test_load_pretrained__nan_is_never_let_pass(save):
    tensors = trained_tensors(make_vit())
    tensors['norm.bias'] = torch.full((32,), torch.nan)
    with pytest.raises(ValueError, match='NaN.*norm.bias'):
        load_pretrained(make_vit(), save(fair_encoder(tensors)), allow_partial=['*'])


@pytest.mark.parametrize('rule, channels', [('mean', 1), ('repeat', 6), ('zero', 4)])
def test_load_pretrained__other_channels_by_the_rule_of_the_config(save, rule, channels):
    source = make_vit()
    path = save(fair_encoder(trained_tensors(source)))
    init_cfg = dict(type='PretrainedViT', checkpoint=str(path), in_channels_rule=rule)
    vit = MODELS.build(
        dict(type='PlainViT', arch=ARCH, img_size=32, patch_size=8, in_channels=channels)
        | dict(init_cfg=init_cfg)
    )
    vit.init_weights()
    gray = torch.randn(2, 1, 32, 32)
    expected = source(gray.expand(-1, 3, -1, -1))[0]
    assert_close(vit.eval()(gray.expand(-1, channels, -1, -1))[0], expected, atol=1e-4, rtol=1e-4)


def test_pretrained_vit__patterns_are_a_list():
    with pytest.raises(ValueError, match=r"allow_partial='norm.\*': must be a list"):
        PretrainedViT('x.pth', allow_partial='norm.*')


# ---- PretrainedViT, as configs use it ------------------------------------------------------


def vit_config(path, **kwargs):
    init_cfg = dict(type='PretrainedViT', checkpoint=str(path))
    config = dict(type='PlainViT', arch=ARCH, img_size=32, patch_size=8, init_cfg=init_cfg)
    return config | dict(with_cls_token=False, final_norm=False) | kwargs


@pytest.fixture
def count_loads(monkeypatch):
    """Count the calls of load_pretrained."""
    calls = []

    def counted(*args):
        calls.append(args)
        return load_pretrained(*args)

    monkeypatch.setattr(checkpoint_module, 'load_pretrained', counted)
    return calls


def assert_loaded(vit, source):
    for name, tensor in vit.state_dict().items():
        expected = source.state_dict()[name]
        if name == 'pos_embed':
            expected = expected[:, 1:]
        assert_close(tensor, expected, atol=0, rtol=0)


def test_pretrained_vit__loads_once_and_logs(save, count_loads, caplog):
    source = make_vit()
    vit = MODELS.build(vit_config(save(fair_encoder(trained_tensors(source)))))
    assert count_loads == []  # building touches no file
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO):
            vit.init_weights()
    finally:
        logger.removeHandler(caplog.handler)
    assert len(count_loads) == 1
    assert_loaded(vit, source)
    assert vit.load_account.summary() in caplog.messages


@pytest.mark.parametrize('framework', ['mmdet', 'mmseg', 'mmpretrain'])
def test_pretrained_vit__in_a_model_of_a_framework(save, count_loads, framework):
    registry = __import__(f'{framework}.registry', fromlist=['MODELS']).MODELS
    __import__(f'{framework}.models')
    source = make_vit()
    backbone = vit_config(save(own_checkpoint(trained_tensors(source))))
    config = {
        'mmdet': dict(
            type='RetinaNet',
            backbone=backbone,
            neck=dict(type='SimpleFPN', in_channels=32, out_channels=8),
            bbox_head=dict(
                type='RetinaHead',
                num_classes=2,
                in_channels=8,
                feat_channels=8,
                stacked_convs=1,
                norm_cfg=dict(type='ChannelLN', eps=1e-6),
                anchor_generator=dict(
                    type='AnchorGenerator',
                    octave_base_scale=4,
                    scales_per_octave=1,
                    ratios=[1.0],
                    strides=[2, 4, 8, 16, 32],
                ),
            ),
            # an initializer of the whole model must not overwrite what was loaded
            init_cfg=dict(type='Constant', layer='Linear', val=7.0),
        ),
        'mmseg': dict(
            type='EncoderDecoder',
            backbone=backbone | dict(out_indices=(0, 1)),
            decode_head=dict(
                type='FCNHead', in_channels=32, in_index=1, channels=8, num_classes=3, num_convs=1
            ),
            test_cfg=dict(mode='whole'),
        ),
        'mmpretrain': dict(
            type='ImageClassifier',
            backbone=backbone,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=2, in_channels=32),
        ),
    }[framework]
    model = registry.build(config)
    model.init_weights()
    assert len(count_loads) == 1
    assert_loaded(model.backbone, source)


def test_pretrained_vit__work_dir(save, tmp_path):
    source = make_vit()
    path = save(own_checkpoint(trained_tensors(source)), 'epoch_2.pth')
    save(own_checkpoint(trained_tensors(make_vit(seed=5))), 'epoch_10.pth')
    (tmp_path / 'last_checkpoint').write_text(str(path))
    vit = MODELS.build(vit_config(tmp_path))
    vit.init_weights()
    assert_loaded(vit, source)
    assert vit.load_account.checkpoint == str(path)


def test_pretrained_vit__elsewhere_than_at_the_encoder(save):
    from mae_transfer.necks.simple_fpn import SimpleFPN

    init_cfg = dict(type='PretrainedViT', checkpoint='x.pth')
    with pytest.raises(TypeError, match='belongs to a SimpleFPN.*backbone'):
        SimpleFPN(32, 8, init_cfg=init_cfg).init_weights()
