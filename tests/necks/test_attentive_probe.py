import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mae_transfer.backbones import PlainViT
from mae_transfer.necks import AttentiveProbe
from tests.references.cross_attention import naive_cross_attention
from tests.support.weights import randomize

TINY = dict(embed_dims=8, num_layers=3, num_heads=2, mlp_ratio=2)


TINY = dict(embed_dims=8, num_layers=3, num_heads=2, mlp_ratio=2)


# ---- attentive probe


@pytest.mark.parametrize('skip', [0, 1])
def test_attentive_probe__equals_its_formula(skip):
    """X = CA(LN_q(query), LN_k(tokens), LN_v(tokens)); nothing is added, nothing follows."""
    probe = randomize(AttentiveProbe(8, 2, skip_tokens=skip))
    first, x = torch.randn(2, 7, 8), torch.randn(2, 7, 8)
    (feature,) = probe((first, x))
    seen = x[:, skip:]
    query = probe.norm_q(probe.query_token).expand(2, 1, 8)
    with torch.no_grad():
        expected = naive_cross_attention(
            probe.cross_attn, query, probe.norm_k(seen), probe.norm_v(seen)
        )
    torch.testing.assert_close(feature, expected[:, 0])


def test_attentive_probe__case_by_hand():
    """One head, identity projections, a query of zeros: the mean of the normalized tokens.

    Tokens (1, 3) and (6, 2) have the layer norms (-1, 1) and (1, -1), their mean is 0; with a bias
    of (5, 7) in norm_v it is (5, 7).
    """
    probe = AttentiveProbe(2, 1)
    for projection in (probe.cross_attn.q, probe.cross_attn.k, probe.cross_attn.v):
        nn.init.eye_(projection.weight)
    nn.init.eye_(probe.cross_attn.proj.weight)
    probe.norm_v.bias.data = torch.tensor([5.0, 7.0])
    (feature,) = probe((torch.tensor([[[1.0, 3.0], [6.0, 2.0]]]),))
    torch.testing.assert_close(feature, torch.tensor([[5.0, 7.0]]))


def test_attentive_probe__table_of_its_parameters():
    shapes = {name: tuple(p.shape) for name, p in AttentiveProbe(8, 2).named_parameters()}
    norms = {f'norm_{x}.{part}': (8,) for x in 'qkv' for part in ('weight', 'bias')}
    attention = {f'cross_attn.{x}.weight': (8, 8) for x in ('q', 'k', 'v', 'proj')}
    biases = {f'cross_attn.{x}': (8,) for x in ('q_bias', 'v_bias', 'proj.bias')}
    assert shapes == {'query_token': (1, 1, 8), **norms, **attention, **biases}


def test_attentive_probe__starts_at_zero_query_and_zero_biases():
    probe = AttentiveProbe(64, 2)
    for parameter in (probe.query_token, probe.cross_attn.q_bias, probe.cross_attn.proj.bias):
        torch.testing.assert_close(parameter.data, torch.zeros_like(parameter))
    for name in ('q', 'k', 'v', 'proj'):
        assert getattr(probe.cross_attn, name).weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_attentive_probe__every_parameter_has_a_gradient():
    probe = randomize(AttentiveProbe(8, 2))
    (feature,) = probe((torch.randn(2, 7, 8),))
    (feature**2).sum().backward()
    for name, parameter in probe.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize('shape', [(2, 8), (2, 8, 4, 4), (2, 1, 8)])
def test_attentive_probe__refuses_what_are_not_tokens(shape):
    with pytest.raises(ValueError, match="out_type='tokens'"):
        AttentiveProbe(8, 2, skip_tokens=1)((torch.zeros(shape),))


def test_attentive_probe__refuses_to_skip_less_than_none():
    with pytest.raises(ValueError, match='skip_tokens=-1'):
        AttentiveProbe(8, 2, skip_tokens=-1)


# ---- partial fine-tuning


class Classifier(nn.Module):
    """An encoder that ends in the mean of the patches, and a linear layer."""

    def __init__(self, **options) -> None:
        super().__init__()
        self.backbone = PlainViT(TINY, 32, 8, out_type='avg', layer_scale_init=0.5, **options)
        self.head = nn.Linear(8, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images)[-1])


# k -> what is trained besides fc_norm and the head: whole blocks, and the block of which the MLP is
TRAINED = {
    0: ([], None),
    0.5: ([], 2),
    1: ([2], None),
    1.5: ([2], 1),
    2: ([1, 2], None),
    3: ([0, 1, 2], None),
}


def is_trained(name: str, k: float) -> bool:
    """Decide by the name alone."""
    whole, half = TRAINED[k]
    if name.startswith(('head.', 'backbone.fc_norm.')):
        return True
    if any(name.startswith(f'backbone.blocks.{block}.') for block in whole):
        return True
    branch = [f'backbone.blocks.{half}.{part}.' for part in ('norm2', 'mlp', 'ls2')]
    return half is not None and name.startswith(tuple(branch))


@pytest.mark.parametrize('k', TRAINED)
def test_partial_fine_tuning__one_step_moves_the_last_blocks_alone(k):
    """Each parameter moved, or is bit-equal and without state; depths are the whole model's."""
    model = randomize(Classifier(trainable_blocks=k)).train()
    before = copy.deepcopy(model.state_dict())
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.1),
            constructor='LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=0.5),
        ),
    )
    loss = (model(torch.randn(4, 3, 32, 40)) ** 2).mean()
    wrapper.update_params(loss)

    param_groups = wrapper.optimizer.param_groups
    groups = {name: group for group in param_groups for name in group['param_names']}
    states = wrapper.optimizer.state
    for name, parameter in model.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert moved == is_trained(name, k) == (parameter in states) == (name in groups), name
        if moved:
            depth = int(name.split('.')[2]) + 1 if '.blocks.' in name else 4
            assert groups[name]['layer_id'] == depth
            assert groups[name]['lr'] == pytest.approx(0.5 ** (4 - depth))


@pytest.mark.parametrize(
    ('k', 'dropped'),
    [(0, set()), (0.5, {'2.2'}), (1, {'2.1', '2.2'}), (1.5, {'1.2', '2.1', '2.2'})],
)
def test_partial_fine_tuning__frozen_branches_drop_no_paths(k, dropped):
    """Stochastic depth belongs to training: 'block.branch' of those that draw."""
    backbone = Classifier(trainable_blocks=k, drop_path_rate=0.5).train().backbone
    found = {
        f'{i}.{branch}'
        for i, block in enumerate(backbone.blocks)
        for branch in (1, 2)
        if getattr(block, f'drop_path{branch}').training and i > 0  # block 0 has a rate of 0
    }
    assert found == dropped


def test_partial_fine_tuning__counts_from_the_end_as_frozen_stages_from_the_front():
    from_end, from_front = Classifier(trainable_blocks=2), Classifier(frozen_stages=1)
    trained = [
        [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        for model in (from_end, from_front)
    ]
    assert trained[0] == trained[1]


# ---- probes as a whole: a classifier of MMPretrain


def probe_config(neck: object, out_type: str) -> dict:
    return dict(
        type='ImageClassifier',
        backbone=dict(
            type='PlainViT', arch=TINY, img_size=32, patch_size=8, out_type=out_type,
            trainable_blocks=0,
        ),
        neck=neck,
        head=dict(type='LinearClsHead', in_channels=8, num_classes=5),
    )  # fmt: skip


ATTENTIVE = [
    dict(type='AttentiveProbe', embed_dims=8, num_heads=2),
    dict(type='ClsBatchNormNeck', input_features=8, eps=1e-5),
]
LINEAR = dict(type='ClsBatchNormNeck', input_features=8)


@pytest.mark.parametrize(
    ('neck', 'out_type', 'eps', 'trained'),
    [
        (LINEAR, 'cls', 1e-6, {'head.fc'}),
        (
            ATTENTIVE, 'tokens', 1e-5,
            {'neck.0', *(f'neck.0.norm_{x}' for x in 'qkv'), 'neck.0.cross_attn',
             *(f'neck.0.cross_attn.{x}' for x in ('q', 'k', 'v', 'proj')), 'head.fc'},
        ),
    ],
)  # fmt: skip
def test_probe__trains_its_own_parts_behind_a_batch_norm_without_parameters(
    neck, out_type, eps, trained
):
    from mmpretrain.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(probe_config(neck, out_type)).train()
    found = {n.rpartition('.')[0] for n, p in model.named_parameters() if p.requires_grad}
    assert found == trained
    (norm,) = (m for m in model.modules() if isinstance(m, nn.BatchNorm1d))
    assert norm.eps == eps and not norm.affine and norm.training
    blocks = model.backbone.blocks
    assert not any(module.training for block in blocks for module in block.modules())
    assert not model.backbone.norm.training
    features = model.extract_feat(torch.randn(16, 3, 32, 40))
    assert features[-1].shape == (16, 8)
    assert norm.num_batches_tracked == 1
    model(torch.randn(16, 3, 32, 40)).square().sum().backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert model.head.fc.weight.grad.abs().sum() > 0
