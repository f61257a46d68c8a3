"""The worked table of layer decay, and every parameter, in models of the three frameworks."""

import pytest
from mmengine.optim import build_optim_wrapper
from torch.testing import assert_close

from tests.references.naive_layer_decay import (
    MAE_FINETUNE,
    UPERNET_RELEASED,
    VITDET,
    VITDET_HUGE,
    mae_finetune_skips,
    naive_scale,
    nothing_skips,
    upernet_released_skips,
    vitdet_skips,
)

BASE_LR = 2e-3
# Multiplier by layer id for twelve blocks and rate 0.7: embeddings, blocks 0 to 11, the rest.
WORKED_TABLE = [
    *(0.00968890104, 0.0138412872, 0.0197732674, 0.0282475249, 0.040353607, 0.05764801),
    *(0.0823543, 0.117649, 0.16807, 0.2401, 0.343, 0.49, 0.7, 1.0),
]
VIT = dict(
    type='PlainViT',
    arch=dict(embed_dims=24, num_layers=12, num_heads=2, mlp_ratio=1),
    img_size=(32, 48),
)


def build_classifier():
    import mmpretrain.models  # noqa: F401
    from mmpretrain.registry import MODELS

    return MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(VIT, out_type='avg'),
            head=dict(type='LinearClsHead', num_classes=5, in_channels=24),
        )
    )


def build_detector():
    import mmdet.models  # noqa: F401
    from mmdet.registry import MODELS
    from mmengine.config import Config

    import mae_transfer.necks.simple_fpn  # noqa: F401

    cfg = Config.fromstring("_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'", '.py').model
    norm = dict(type='ChannelLN', eps=1e-6)
    cfg.backbone = dict(VIT, with_cls_token=False, final_norm=False)
    cfg.backbone.update(rel_pos=True, window_size=2, global_blocks=(5, 11))
    cfg.neck = dict(type='SimpleFPN', in_channels=24, out_channels=8)
    cfg.rpn_head.update(in_channels=8, feat_channels=8)
    cfg.roi_head.bbox_roi_extractor.out_channels = 8
    cfg.roi_head.mask_roi_extractor.out_channels = 8
    cfg.roi_head.bbox_head.update(
        type='Shared4Conv1FCBBoxHead',
        in_channels=8,
        conv_out_channels=8,
        fc_out_channels=8,
        norm_cfg=norm,
    )
    cfg.roi_head.mask_head.update(in_channels=8, conv_out_channels=8, norm_cfg=norm)
    return MODELS.build(cfg)


def build_segmentor():
    import mmseg.models  # noqa: F401
    from mmseg.registry import MODELS

    import mae_transfer.necks.rescaled_pyramid  # noqa: F401

    norm = dict(type='BN')
    head = dict(num_classes=5, norm_cfg=norm, align_corners=False, channels=8)
    return MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=dict(VIT, layer_scale_init=1.0, out_indices=(3, 5, 7, 11)),
            neck=dict(type='RescaledPyramid', embed_dims=24, norm_cfg=norm),
            decode_head=dict(head, type='UPerHead', in_channels=[24] * 4, in_index=[0, 1, 2, 3]),
            auxiliary_head=dict(head, type='FCNHead', in_channels=24, in_index=2, num_convs=1),
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        )
    )


@pytest.fixture(scope='module')
def models():
    """One small model per framework; importing all three takes seconds, so it is done once."""
    return {
        'classifier': build_classifier(),
        'detector': build_detector(),
        'segmentor': build_segmentor(),
    }


def build_groups(model, rate, **options):
    cfg = dict(
        optimizer=dict(type='AdamW', lr=BASE_LR, weight_decay=0.05),
        constructor='LayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=rate, **options),
    )
    return build_optim_wrapper(model, cfg).optimizer.param_groups


@pytest.mark.parametrize('kind', ['classifier', 'detector', 'segmentor'])
def test_learning_rate__worked_table(models, kind):
    groups = build_groups(models[kind], 0.7)
    assert len(groups) <= 2 * (12 + 2)
    assert {group['layer_id'] for group in groups} == set(range(14))
    for group in groups:
        expected = BASE_LR * WORKED_TABLE[group['layer_id']]
        assert_close(group['lr'], expected, rtol=1e-7, atol=0.0)
    behind = [name for group in groups if group['layer_id'] == 13 for name in group['param_names']]
    heads = [name for name in behind if not name.startswith('backbone.')]
    final_norm = {'classifier': 'fc_norm', 'detector': None, 'segmentor': 'norm'}[kind]
    norm_names = {f'backbone.{final_norm}.{end}' for end in ('weight', 'bias') if final_norm}
    assert set(behind) - set(heads) == norm_names
    assert set(heads) == {
        name for name, _ in models[kind].named_parameters() if not name.startswith('backbone.')
    }


@pytest.mark.parametrize(
    ('kind', 'rate', 'no_decay', 'skips'),
    [
        ('classifier', 0.65, MAE_FINETUNE, mae_finetune_skips),
        ('detector', 0.7, VITDET, vitdet_skips),
        ('detector', 0.9, VITDET_HUGE, nothing_skips),
        ('segmentor', 0.65, UPERNET_RELEASED, upernet_released_skips),
        ('classifier', 1.0, MAE_FINETUNE, mae_finetune_skips),
    ],
)
def test_every_parameter__agrees_with_the_naive_reference(models, kind, rate, no_decay, skips):
    """Each trainable parameter is in exactly one group, with the lr and decay of its recipe."""
    model = models[kind]
    seen = {}
    for group in build_groups(model, rate, no_decay=no_decay):
        for param in group['params']:
            assert id(param) not in seen
            seen[id(param)] = (group['lr'], group['weight_decay'])
    assert len(seen) == len(list(model.parameters()))
    for name, param in model.named_parameters():
        lr, weight_decay = seen[id(param)]
        assert_close(lr, BASE_LR * naive_scale(name, 12, rate), rtol=1e-12, atol=0.0, msg=name)
        assert weight_decay == (0.0 if skips(name, param.ndim) else 0.05), name


def test_weight_decay__traps_of_the_detector(models):
    """As in Detectron2: biases, relative positions and channel layer norms are decayed."""
    groups = build_groups(models['detector'], 0.7, no_decay=VITDET)
    decayed = {name for group in groups if group['weight_decay'] for name in group['param_names']}
    assert {
        'backbone.blocks.0.attn.qkv.bias',
        'backbone.blocks.0.attn.rel_pos_h',
        'neck.projections.0.1.weight',
        'roi_head.bbox_head.shared_convs.0.ln.weight',
        'roi_head.mask_head.convs.0.ln.bias',
    } <= decayed
    assert 'backbone.pos_embed' not in decayed


def test_classifier__own_get_layer_depth_agrees(models):
    """MMPretrain's classifier hands the question on to the same backbone."""
    model = models['classifier']
    for group in build_groups(model, 0.7):
        for name in group['param_names']:
            assert model.get_layer_depth(name) == (group['layer_id'], 14)


def test_peer__timm_layer_decay():
    """The peer agrees but for the final norm, which it counts to the last block."""
    import timm
    from timm.optim import param_groups_layer_decay

    from mae_transfer.backbones.plain_vit import PlainViT

    size = dict(img_size=32, patch_size=16)
    peer = timm.models.VisionTransformer(
        **size, embed_dim=24, depth=12, num_heads=2, mlp_ratio=1, num_classes=3
    )
    peer_names = {id(param): name for name, param in peer.named_parameters()}
    expected = {}
    for group in param_groups_layer_decay(
        peer, 0.05, no_weight_decay_list=peer.no_weight_decay(), layer_decay=0.7
    ):
        for param in group['params']:
            expected[peer_names[id(param)]] = (group['lr_scale'], group['weight_decay'])
    assert expected.pop('head.weight')[0] == expected.pop('head.bias')[0] == 1.0

    ours = {
        name: (group['lr_scale'], group['weight_decay'])
        for group in build_groups(PlainViT(VIT['arch'], **size), 0.7)
        for name in group['param_names']
    }
    assert ours.keys() == expected.keys()
    for name, (scale, weight_decay) in ours.items():
        factor = 1 / 0.7 if name.startswith('norm.') else 1.0
        assert_close(scale, expected[name][0] * factor, rtol=1e-12, atol=0.0, msg=name)
        assert weight_decay == expected[name][1], name
