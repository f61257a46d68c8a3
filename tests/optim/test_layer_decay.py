"""Learning rates and weight decays of every parameter, as tables."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, PolyLR, build_optim_wrapper
from timm.layers import LayerNorm2d
from torch import nn
from torch.testing import assert_close

from mae_transfer.backbones.plain_vit import PlainViT
from mae_transfer.optim.layer_decay import (
    LayerDecayOptimWrapperConstructor,
    find_backbones,
    fits,
    strip_wrappers,
)
from tests.references.naive_layer_decay import (
    MAE_FINETUNE,
    MAE_PRETRAIN,
    VITDET,
    VITDET_HUGE,
    naive_scale,
)


class TinyTask(nn.Module):
    """A plain ViT of four blocks under a neck with a channel norm and a head."""

    def __init__(self, **vit_args):
        super().__init__()
        arch = dict(embed_dims=8, num_layers=4, num_heads=2)
        self.backbone = PlainViT(arch, img_size=(32, 48), **vit_args)
        self.neck = nn.Sequential(nn.Conv2d(8, 8, 1), LayerNorm2d(8), nn.BatchNorm2d(8))
        self.head = nn.Linear(8, 3)


def optim_cfg(layer_decay_rate=2.0, lr=1.0, weight_decay=0.05, **options):
    return dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=lr, weight_decay=weight_decay),
        constructor='LayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=layer_decay_rate, **options),
    )


def settings(optim_wrapper, model):
    """(lr, weight decay) by plain parameter name, and the proof that each name occurs once."""
    names = {id(param): strip_wrappers(name) for name, param in model.named_parameters()}
    table = {}
    for group in optim_wrapper.optimizer.param_groups:
        for param in group['params']:
            assert names[id(param)] not in table
            table[names[id(param)]] = (group['lr'], group['weight_decay'])
    return table


def undecayed(table):
    return {name for name, (_, weight_decay) in table.items() if weight_decay == 0}


@pytest.mark.parametrize(
    ('num_layers', 'rate', 'embeddings', 'first_block', 'last_block'),
    [
        (12, 0.65, 0.00369721, 0.00568801, 0.65),
        (12, 0.7, 0.00968890104, 0.0138412872, 0.7),
        (12, 0.75, 0.0237573, 0.0316764, 0.75),
        (24, 0.75, 0.000752543, 0.00100339, 0.75),
        (24, 0.8, 0.00377789, 0.00472237, 0.8),
        (24, 0.85, 0.0171978, 0.0202327, 0.85),
        (24, 0.95, 0.277390, 0.291989, 0.95),
        (32, 0.75, 7.53393e-05, 1.00452e-04, 0.75),
        (32, 0.9, 0.0309032, 0.0343368, 0.9),
    ],
)
def test_learning_rate__published_depths_and_rates(
    num_layers, rate, embeddings, first_block, last_block
):
    model = PlainViT(dict(embed_dims=4, num_layers=num_layers, num_heads=1), img_size=32)
    table = settings(build_optim_wrapper(model, optim_cfg(rate)), model)
    expected = {
        'cls_token': embeddings,
        'pos_embed': embeddings,
        'patch_embed.proj.weight': embeddings,
        'blocks.0.attn.qkv.bias': first_block,
        f'blocks.{num_layers - 1}.mlp.fc2.weight': last_block,
        'norm.weight': 1.0,
    }
    for name, lr in expected.items():
        assert_close(table[name][0], lr, rtol=5e-6, atol=0.0)  # six digits


def test_learning_rate__exact_numbers_at_rate_two():
    """With rate 2 and four blocks, lr = 2 ** (5 - depth) without any rounding."""
    model = TinyTask()
    table = settings(build_optim_wrapper(model, optim_cfg(2.0, lr=0.5)), model)
    assert len(table) == len(list(model.parameters()))
    for name, (lr, _) in table.items():
        assert lr == 0.5 * naive_scale(name, num_blocks=4, rate=2.0), name
    assert {lr for lr, _ in table.values()} == {0.5, 1.0, 2.0, 4.0, 8.0, 16.0}


@pytest.mark.parametrize(
    ('no_decay', 'free', 'decayed'),
    [
        (
            MAE_PRETRAIN,
            {'backbone.blocks.0.ls1.gamma', 'backbone.blocks.0.attn.q_bias', 'neck.1.weight'},
            {'backbone.cls_token', 'backbone.pos_embed', 'backbone.blocks.0.attn.rel_pos_h'},
        ),
        (
            MAE_FINETUNE,
            {'backbone.pos_embed', 'backbone.cls_token', 'head.bias', 'neck.1.weight'},
            {'backbone.blocks.0.attn.rel_pos_w', 'head.weight'},
        ),
        (
            VITDET,
            {'backbone.pos_embed', 'backbone.blocks.3.norm2.bias', 'neck.2.weight'},
            {'backbone.cls_token', 'backbone.blocks.0.attn.q_bias', 'neck.1.weight', 'neck.1.bias'}
            | {'backbone.blocks.0.ls1.gamma', 'backbone.blocks.0.attn.rel_pos_h', 'head.bias'},
        ),
        (VITDET_HUGE, set(), {'backbone.blocks.0.norm1.weight', 'head.bias'}),
        (
            None,
            {'backbone.pos_embed', 'backbone.cls_token', 'head.bias', 'neck.1.weight'},
            {'backbone.blocks.0.attn.rel_pos_h', 'head.weight'},
        ),
        (
            ('rel_pos_h', 'gamma', 'bias'),
            {'backbone.blocks.0.attn.rel_pos_h', 'backbone.blocks.0.ls1.gamma', 'head.bias'}
            | {'backbone.blocks.0.attn.v_bias'},
            {'backbone.blocks.0.attn.rel_pos_w', 'backbone.blocks.0.norm1.weight', 'neck.1.weight'},
        ),
    ],
)
def test_weight_decay__rules_of_the_recipes(no_decay, free, decayed):
    # A class token and relative positions exclude each other: two models, one table.
    table = {}
    for vit_args in (dict(layer_scale_init=1.0, qkv_bias='no-key'), dict(rel_pos=True)):
        model = TinyTask(with_cls_token='rel_pos' not in vit_args, **vit_args)
        wrapper = build_optim_wrapper(model, optim_cfg(0.7, no_decay=no_decay))
        table.update(settings(wrapper, model))
    without = undecayed(table)
    assert free <= without
    assert decayed <= set(table) - without
    assert {weight_decay for _, weight_decay in table.values()} <= {0.0, 0.05}


def test_weight_decay__names_match_whole_components():
    """The rule 'pos_embed' is none for 'my_pos_embed', 'ls1.gamma' none for 'ls2.gamma'."""
    model = TinyTask(layer_scale_init=1.0)
    model.my_pos_embed = nn.Parameter(torch.zeros(1, 2))
    wrapper = build_optim_wrapper(model, optim_cfg(no_decay=('pos_embed', 'ls1.gamma')))
    assert undecayed(settings(wrapper, model)) == {'backbone.pos_embed'} | {
        f'backbone.blocks.{index}.ls1.gamma' for index in range(4)
    }


@pytest.mark.parametrize('no_decay', [None, MAE_FINETUNE, VITDET])
def test_groups__few_and_base_rate_first(no_decay):
    """A shared setting is one group; MMEngine logs the lr of group 0, which is the base rate."""
    model = TinyTask()
    wrapper = build_optim_wrapper(model, optim_cfg(0.5, lr=3e-4, no_decay=no_decay))
    groups = wrapper.optimizer.param_groups
    keys = [(group['lr'], group['weight_decay']) for group in groups]
    assert len(set(keys)) == len(keys) <= 2 * (4 + 2)
    assert groups[0]['lr_scale'] == 1.0 and groups[0]['layer_id'] == 5
    assert wrapper.get_lr()['lr'][0] == wrapper.get_lr()['base_lr'][0] == 3e-4
    assert [group['layer_id'] for group in groups] == sorted(
        (group['layer_id'] for group in groups), reverse=True
    )
    for group in groups:
        assert group['lr'] == 3e-4 * group['lr_scale']
        assert len(group['param_names']) == len(group['params'])


def test_groups__two_without_layer_decay():
    """Pre-training: no depth is asked for, so any backbone will do."""
    model = nn.ModuleDict(dict(backbone=nn.Conv2d(3, 4, 3), head=nn.Linear(4, 2)))
    cfg = optim_cfg(1.0, no_decay=MAE_PRETRAIN)
    groups = build_optim_wrapper(model, cfg).optimizer.param_groups
    assert [(group['lr'], group['weight_decay']) for group in groups] == [(1.0, 0.05), (1.0, 0.0)]
    assert [group['layer_id'] for group in groups] == [None, None]
    assert groups[1]['param_names'] == ['backbone.bias', 'head.bias']


def test_groups__frozen_parameters_have_no_optimizer_state():
    model = TinyTask(pos_embed='sincos_xy')
    model.backbone.blocks[0].requires_grad_(False)
    wrapper = build_optim_wrapper(model, optim_cfg(0.7))
    trainable = {name for name, param in model.named_parameters() if param.requires_grad}
    assert set(settings(wrapper, model)) == trainable
    assert 'backbone.pos_embed' not in trainable
    sum(param.sum() for param in model.parameters() if param.requires_grad).backward()
    wrapper.step()
    assert len(wrapper.optimizer.state) == len(trainable)


def test_groups__shared_parameter_once_under_its_first_name():
    model = TinyTask()
    model.head2 = nn.Linear(8, 3)
    model.head2.weight = model.head.weight
    model.copy_of_norm = model.backbone.norm
    names = settings(build_optim_wrapper(model, optim_cfg()), model)
    assert 'head.weight' in names and 'head2.weight' not in names
    assert 'backbone.norm.weight' in names and 'copy_of_norm.weight' not in names


class Prefix(nn.Module):
    """A stand-in for any wrapper: forwards nothing and puts ``name`` into the path."""

    def __init__(self, name, inner):
        super().__init__()
        self.add_module(name, inner)


@pytest.mark.parametrize(
    'prefix', ['module', '_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module']
)
@pytest.mark.parametrize('place', ['model', 'backbone', 'block', 'all'])
def test_wrappers__change_nothing(prefix, place):
    plain = TinyTask()
    expected = settings(build_optim_wrapper(plain, optim_cfg(0.7)), plain)
    model = TinyTask()
    if place in ('block', 'all'):
        model.backbone.blocks[1] = Prefix(prefix, model.backbone.blocks[1])
    if place in ('backbone', 'all'):
        model.backbone = Prefix(prefix, model.backbone)
    if place in ('model', 'all'):
        model = Prefix(prefix, model)
    assert settings(build_optim_wrapper(model, optim_cfg(0.7)), model) == expected


def test_wrappers__torch_compile():
    plain = TinyTask()
    expected = settings(build_optim_wrapper(plain, optim_cfg(0.7)), plain)
    model = TinyTask()
    model.backbone = torch.compile(model.backbone)
    model = torch.compile(model)
    assert settings(build_optim_wrapper(model, optim_cfg(0.7)), model) == expected


@pytest.mark.parametrize('path', ['img_backbone', 'student.backbone', 'detector.vit'])
def test_wrappers__backbone_anywhere_in_the_model(path):
    model = nn.Module()
    outer, _, name = path.rpartition('.')
    holder = model
    if outer:
        model.add_module(outer, nn.Module())
        holder = getattr(model, outer)
    holder.add_module(name, TinyTask().backbone)
    model.head = nn.Linear(8, 3)
    table = settings(build_optim_wrapper(model, optim_cfg(2.0)), model)
    assert table[f'{path}.blocks.0.norm1.weight'][0] == 16.0
    assert table['head.weight'][0] == 1.0


def test_wrappers__strip_wrappers_keeps_the_rest():
    path = 'module.backbone._orig_mod.blocks.0._fsdp_wrapped_module.norm1.weight'
    assert strip_wrappers(path) == 'backbone.blocks.0.norm1.weight'
    assert strip_wrappers('backbone.submodule.weight') == 'backbone.submodule.weight'


def test_scheduler__multiplies_each_group_and_resumes():
    """After k steps of a linear schedule to 0 over 10, lr = base * scale * (1 - k / 10)."""
    model = TinyTask()

    def build():
        wrapper = build_optim_wrapper(model, optim_cfg(0.5, lr=0.1))
        schedule = PolyLR(wrapper, power=1.0, eta_min=0.0, begin=0, end=11, by_epoch=False)
        return wrapper, schedule

    def train(wrapper, schedule, steps):
        for _ in range(steps):
            wrapper.update_params(sum(param.square().sum() for param in model.parameters()))
            schedule.step()

    def check(wrapper, step):
        for group in wrapper.optimizer.param_groups:
            assert_close(group['lr'], 0.1 * group['lr_scale'] * (1 - step / 10))

    wrapper, schedule = build()
    check(wrapper, 0)
    train(wrapper, schedule, 1)
    check(wrapper, 1)
    train(wrapper, schedule, 2)
    saved = copy.deepcopy((wrapper.state_dict(), schedule.state_dict()))

    resumed, resumed_schedule = build()
    resumed.load_state_dict(saved[0])
    resumed_schedule.load_state_dict(saved[1])
    check(resumed, 3)
    train(resumed, resumed_schedule, 1)
    check(resumed, 4)
    assert resumed.get_lr()['lr'][0] == resumed.get_lr()['base_lr'][0]
    layer_ids = [group['layer_id'] for group in resumed.optimizer.param_groups]
    assert layer_ids == [group['layer_id'] for group in wrapper.optimizer.param_groups]


def test_config__is_not_changed_by_building():
    model = TinyTask()
    cfg = optim_cfg(0.7, no_decay=['1d'])
    cfg['clip_grad'] = dict(type='value', clip_value=1.0)
    before = copy.deepcopy(cfg)
    first, second = (settings(build_optim_wrapper(model, cfg), model) for _ in range(2))
    assert first == second
    paramwise_cfg = cfg.pop('paramwise_cfg')
    wrapper_cfg = {key: value for key, value in cfg.items() if key != 'constructor'}
    for _ in range(2):
        built = LayerDecayOptimWrapperConstructor(wrapper_cfg, paramwise_cfg)(model)
        assert isinstance(built, OptimWrapper)
    assert {**cfg, 'paramwise_cfg': paramwise_cfg} == before


@pytest.mark.parametrize(
    ('paramwise_cfg', 'error', 'message'),
    [
        (dict(custom_keys={}), ValueError, 'unknown option custom_keys'),
        (dict(layer_decay_rate=0), ValueError, 'layer_decay_rate must be a number > 0, got 0'),
        (dict(layer_decay_rate=-0.5), ValueError, 'layer_decay_rate must be'),
        (dict(layer_decay_rate='0.7'), ValueError, 'layer_decay_rate must be'),
        (dict(layer_decay_rate=float('nan')), ValueError, 'layer_decay_rate must be'),
        (dict(no_decay='pos_embed'), TypeError, 'no_decay must be a tuple of names'),
        (dict(no_decay=('1d', 3)), TypeError, 'no_decay must be a tuple of names'),
        (dict(no_decay=('pos_embd',)), ValueError, "'pos_embd'.*the closest are pos_embed"),
        ('0.7', TypeError, 'paramwise_cfg must be a dict'),
    ],
)
def test_config__wrong_options(paramwise_cfg, error, message):
    cfg = dict(optimizer=dict(type='SGD', lr=1.0, weight_decay=0.1))
    with pytest.raises(error, match=message):
        LayerDecayOptimWrapperConstructor(cfg, paramwise_cfg)(TinyTask())


@pytest.mark.parametrize('missing', ['lr', 'weight_decay'])
def test_config__optimizer_must_state(missing):
    optimizer = dict(type='SGD', lr=1.0, weight_decay=0.1)
    del optimizer[missing]
    with pytest.raises(ValueError, match=f'optimizer.{missing} must be given'):
        LayerDecayOptimWrapperConstructor(dict(optimizer=optimizer))


def test_depth__backbone_that_does_not_know_it():
    model = nn.ModuleDict(dict(backbone=nn.Conv2d(3, 4, 3), head=nn.Linear(4, 2)))
    with pytest.raises(ValueError, match='Conv2d has no method get_layer_depth'):
        build_optim_wrapper(model, optim_cfg(0.7))


def test_depth__model_that_only_hands_the_question_on():
    """MMPretrain's classifiers answer for their backbone, or raise when it cannot."""

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = nn.Conv2d(3, 4, 3)

        def get_layer_depth(self, param_name):
            raise AssertionError('the backbone is asked, not the model around it')

    with pytest.raises(ValueError, match='Conv2d has no method get_layer_depth'):
        build_optim_wrapper(Classifier(), optim_cfg(0.7))


@pytest.mark.parametrize('answer', [None, (6, 6), (-1, 6), 3, ('0', 6)])
def test_depth__parameter_without_one(answer, monkeypatch):
    model = TinyTask()
    monkeypatch.setattr(model.backbone, 'get_layer_depth', lambda name: answer)
    with pytest.raises(ValueError, match=r"parameter 'backbone\.\w+' has no depth"):
        build_optim_wrapper(model, optim_cfg(0.7))


def test_depth__nothing_to_train():
    with pytest.raises(ValueError, match='TinyTask has no trainable parameter'):
        build_optim_wrapper(TinyTask().requires_grad_(False), optim_cfg(0.7))


def test_log__names_without_match(monkeypatch):
    """A detector without class token may keep the rule; the log says that it has no effect."""
    lines = []
    monkeypatch.setattr(
        'mae_transfer.optim.layer_decay.print_log', lambda line, **_: lines.append(line)
    )
    model = TinyTask(with_cls_token=False)
    build_optim_wrapper(model, optim_cfg(0.7, no_decay=('1d', 'cls_token')))
    assert "no_decay: ['cls_token'] fit no parameter of TinyTask" in lines


@pytest.mark.parametrize(
    ('owner', 'is_norm'),
    [
        (nn.BatchNorm1d(4), True),
        (nn.BatchNorm2d(4), True),
        (nn.SyncBatchNorm(4), True),
        (nn.InstanceNorm2d(4, affine=True), True),
        (nn.GroupNorm(2, 4), True),
        (nn.LayerNorm(4), True),
        (nn.RMSNorm(4), True),
        (LayerNorm2d(4), False),  # Detectron2 does not count its own as a norm
        (nn.Conv2d(4, 4, 1), False),
        (nn.Linear(4, 4), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_rule_norm__asks_for_the_class(owner, is_norm):
    for name, parameter in owner.named_parameters():
        assert fits('norm', f'neck.0.{name}', parameter.ndim, owner) is is_norm


def test_find_backbones__whose_names_begin_alike():
    arch = dict(embed_dims=8, num_layers=1, num_heads=2)
    model = nn.ModuleDict({name: PlainViT(arch, 32) for name in ('encoder', 'encoder_2')})
    assert set(find_backbones(model)) == {'encoder', 'encoder_2'}


def test_find_backbones__outermost_alone():
    """An encoder inside another one is a part of it."""
    arch = dict(embed_dims=8, num_layers=1, num_heads=2)
    outer = PlainViT(arch, 32)
    outer.teacher = PlainViT(arch, 32)
    assert find_backbones(nn.ModuleDict(dict(encoder=outer))) == {'encoder': outer}
