"""Pyramids and heads start from the initial weights of Detectron2 and MIMDet, one row per layer.

``in`` and ``out``: fan in and fan out of a layer, kernel included. Uniform and normal weights are
compared by their standard deviation.
"""

import re

import pytest
import torch
from torch import nn

from tests.configs_suite.reading import load
from tests.configs_suite.tables import detection
from tests.configs_suite.tiny_models import build_model

pytestmark = pytest.mark.slow

TORCH = 'torch'  # PyTorch's own: uniform, variance 1 / (3 in), weights and biases

# Layers that MIMDet's and Detectron2's code leave to PyTorch.
SIMPLE = {
    r'neck\.rescales\.\d\.[03]': TORCH,
    r'neck\.projections\.\d\.[02]': TORCH,
}
FPN = {
    # lecun_normal_ of timm 0.4.12, whose truncation at 2, not at 2 deviations, has no effect
    r'neck\.0\.upsample_\dx\.[03]': lambda ins, outs: ins**-0.5 / 0.87962566,
    r'neck\.1\.(lateral|fpn)_convs\.\d\.conv': lambda ins, outs: ins**-0.5,  # c2_xavier_fill
}
HEADS = {
    r'rpn_head\.rpn_(conv\.\d\.conv|cls|reg)': lambda ins, outs: 0.01,
    r'roi_head\.bbox_head(\.\d)?\.shared_convs\.\d\.conv': lambda ins, outs: (2 / outs) ** 0.5,
    r'roi_head\.bbox_head(\.\d)?\.shared_fcs\.0': lambda ins, outs: ins**-0.5,  # c2_xavier_fill
    r'roi_head\.bbox_head(\.\d)?\.fc_cls': lambda ins, outs: 0.01,
    r'roi_head\.bbox_head(\.\d)?\.fc_reg': lambda ins, outs: 0.001,
    r'roi_head\.mask_head(\.\d)?\.convs\.\d\.conv': lambda ins, outs: (2 / outs) ** 0.5,
    r'roi_head\.mask_head(\.\d)?\.upsample': lambda ins, outs: (2 / outs) ** 0.5,  # c2_msra_fill
    r'roi_head\.mask_head(\.\d)?\.conv_logits': lambda ins, outs: 0.001,
}
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)


def build(path: str) -> nn.Module:
    """A recipe's detector with an encoder of one block."""
    cfg = load(path)
    width = {'base': 768, 'large': 1024}[cfg.model.backbone.arch]
    cfg.model.backbone.update(
        arch=dict(embed_dims=width, num_layers=1, num_heads=2, mlp_ratio=0.1),
        init_cfg=None,
        global_blocks=(0,),
    )
    if 'out_indices' in cfg.model.backbone:
        cfg.model.backbone.out_indices = (0,)
    model = build_model(cfg)
    model.init_weights()
    return model


def check(name: str, module: nn.Module, rows: dict) -> None:
    """Compare one layer with its row."""
    (formula,) = (row for pattern, row in rows.items() if re.fullmatch(pattern, name))
    weight = module.weight
    area = weight[0, 0].numel()
    ins, outs = weight.shape[1] * area, weight.shape[0] * area
    bound = ins**-0.5
    expected = bound / 3**0.5 if formula is TORCH else formula(ins, outs)
    # five deviations of an estimate from so few numbers
    allowed = max(0.05, 5 / (2 * weight.numel()) ** 0.5)
    assert weight.std().item() == pytest.approx(expected, rel=allowed), name
    assert abs(weight.mean().item()) < 5 * expected / weight.numel() ** 0.5, name
    if module.bias is not None and formula is TORCH:
        assert 0 < module.bias.abs().max() <= bound, name
    elif module.bias is not None:
        assert not module.bias.any(), name


@pytest.mark.parametrize(
    ('path', 'pyramid', 'layers'),
    [
        # 6 layers rescale and 8 project; 4 in the RPN, 7 for boxes, 6 for masks
        (detection.DETECT, SIMPLE, 3 + 8 + 4 + 7 + 6),
        (detection.CASCADE, SIMPLE, 3 + 8 + 4 + 3 * (7 + 6)),
        (detection.FPN, FPN, 3 + 8 + 4 + 7 + 6),
        (detection.FPN_L, FPN, 3 + 8 + 4 + 7 + 6),
        (detection.RPN_LN, SIMPLE, 3 + 8 + 4 + 7 + 6),
    ],
    ids=['simple', 'cascade', 'fpn', 'fpn-large', 'rpn-with-norm'],
)
def test_initial_weights__are_those_of_the_released_code(path, pyramid, layers):
    torch.manual_seed(0)
    seen = 0
    for name, module in build(path).named_modules():
        if name.startswith('backbone') or not hasattr(module, 'weight'):
            continue
        if isinstance(module, NORMS):
            assert (module.weight == 1).all() and not module.bias.any(), name
        else:
            check(name, module, {**pyramid, **HEADS})
            seen += 1
    assert seen == layers
