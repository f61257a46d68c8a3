"""Encoders of the detection and segmentation recipes: learning rates, decay, initializations.

The tables are written by hand from the papers and from the released code.
"""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import Tensor

from mae_transfer.backbones import PlainViT
from mae_transfer.checkpoints import load_pretrained
from tests.configs_suite.reading import cfg_options, load
from tests.configs_suite.tables import RECIPES, detection, segmentation
from tests.configs_suite.tiny_models import build_model, narrow, shrink
from tests.references import checkpoint_files as files

TABLE = 'relative_position_bias_table'


# ---- learning rate and weight decay

# Parameter -> how many times the layer decay is applied, and whether it is decayed. In MAE's
# UperNet, 12 blocks: embeddings 13 times, block i 12 - i times, all behind the blocks never.
UPERNET = {
    'backbone.pos_embed': (13, False),
    'backbone.cls_token': (13, False),
    'backbone.patch_embed.proj.weight': (13, True),
    f'backbone.blocks.0.attn.{TABLE}': (12, True),  # 2-D; BEiT decays it unless a flag is given
    f'backbone.blocks.11.attn.{TABLE}': (1, True),
    'backbone.blocks.11.attn.qkv.bias': (1, False),
    'backbone.blocks.5.ls1.gamma': (7, False),
    'neck.upsample_4x.0.weight': (0, True),
    'neck.upsample_4x.1.weight': (0, False),
    'decode_head.conv_seg.weight': (0, True),
    'decode_head.conv_seg.bias': (0, False),
}
BENCHMARK = {  # no layer decay: the tables are shared, so they would have none anyway
    'backbone.pos_embed': (0, False),
    f'backbone.rel_pos_bias.{TABLE}': (0, False),
    f'backbone.rel_pos_bias_window.{TABLE}': (0, False),
    'backbone.blocks.0.norm1.weight': (0, False),
    'backbone.blocks.0.attn.qkv.bias': (0, True),
    'neck.0.upsample_4x.1.weight': (0, False),  # GroupNorm
    'neck.0.upsample_4x.0.bias': (0, True),
    'neck.1.lateral_convs.0.bn.weight': (0, False),
    'roi_head.bbox_head.shared_convs.0.bn.bias': (0, False),
    'roi_head.bbox_head.shared_fcs.0.bias': (0, True),
}
CAE_1X = {  # positions are fixed, so they are in no group
    'backbone.cls_token': (13, False),
    'backbone.blocks.0.attn.q_bias': (12, False),
    'backbone.blocks.0.ls2.gamma': (12, False),
    'backbone.blocks.11.mlp.fc2.weight': (1, True),
    'neck.0.upsample_4x.0.weight': (0, True),
    'neck.1.fpn_convs.0.conv.bias': (0, False),
    'roi_head.bbox_head.fc_reg.weight': (0, True),
}
VITDET_HUGE = {  # 32 blocks; everything is decayed
    'backbone.pos_embed': (33, True),
    'backbone.blocks.0.norm1.weight': (32, True),
    'backbone.blocks.31.attn.rel_pos_h': (1, True),
    'backbone.blocks.31.attn.qkv.bias': (1, True),
    'neck.projections.0.1.bias': (0, True),
    'rpn_head.rpn_cls.bias': (0, True),
}
LABELS = {  # no layer decay; norms and positions are not decayed, as with MAE
    'backbone.pos_embed': (0, False),
    'backbone.blocks.0.norm1.weight': (0, False),
    'backbone.blocks.0.attn.qkv.weight': (0, True),
    'neck.projections.0.1.weight': (0, True),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('path', 'table', 'absent'),
    [
        (segmentation.REL_POS, UPERNET, ()),
        (detection.FPN, BENCHMARK, ('cls_token', 'attn.' + TABLE)),
        (detection.CAE, CAE_1X, ('backbone.pos_embed', TABLE)),
        (detection.CAE_CASCADE, dict(list(CAE_1X.items())[:-1]), ('backbone.pos_embed', TABLE)),
        (detection.CASCADE_H, VITDET_HUGE, ('cls_token',)),
        (detection.LABELS_B, LABELS, ('rel_pos',)),
        (segmentation.BEIT, {f'backbone.blocks.3.attn.{TABLE}': (9, True)}, ('pos_embed',)),
    ],
)
def test_recipe__learning_rate_and_decay_of_each_kind_of_parameter(path, table, absent):
    cfg = narrow(load(path))
    model = build_model(cfg)
    recipe = RECIPES[path]
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    of_name = {name: group for group in groups for name in group['param_names']}
    for name, (times, decayed) in table.items():
        group = of_name[name]
        assert group['lr'] == pytest.approx(recipe.lr * recipe.layer_decay**times), name
        assert group['weight_decay'] == (recipe.weight_decay if decayed else 0.0), name
    for part in absent:
        assert not [name for name in of_name if part in name], part


# ---- initializations


def source(cfg: Config, **changes: object) -> dict[str, Tensor]:
    """Tensors of an encoder as it leaves pre-training: 4 x 4 patches, class token, final norm."""
    torch.manual_seed(1)
    backbone = dict(arch=cfg.model.backbone.arch, img_size=64, **changes)
    vit = PlainViT(**backbone)
    for parameter in vit.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return vit.state_dict()


def plain_file(writer):  # noqa: ANN001, ANN201
    return lambda cfg: writer(source(cfg))


def cae_file(cfg: Config) -> dict:
    encoder = dict(layer_scale_init=0.1, qkv_bias='no-key', pos_embed='sincos_yx')
    return files.cae_pretraining(source(cfg, **encoder))


def beit_file(cfg: Config) -> dict:
    tensors = source(cfg, layer_scale_init=0.1, qkv_bias='no-key', pos_embed=None)
    return files.beit_pretraining(tensors, torch.randn(7 * 7 + 3, 2), side=4)


@pytest.mark.parametrize(
    ('path', 'make_file'),
    [
        (path, plain_file(writer))
        for path in (detection.DETECT, detection.FPN, segmentation.SEGMENT, segmentation.REL_POS)
        for writer in (files.fair_full, files.moco_v3, files.dino_training, files.deit)
    ]
    + [
        (detection.CASCADE, plain_file(files.fair_encoder)),
        (detection.FPN_MOCO, plain_file(files.moco_v3)),
        (detection.LABELS_B, plain_file(files.deit)),
        (detection.MAE_1X, plain_file(files.fair_encoder)),
        (detection.CAE, cae_file),
        (detection.CAE_CASCADE, cae_file),
        (detection.FPN_BEIT, beit_file),
        (segmentation.CAE_1600, cae_file),
        (segmentation.BEIT, beit_file),
    ],
)
def test_initialization__of_each_method_fits_its_config(path, make_file, tmp_path):
    """Every tensor of the encoder comes from the file, but for what may start fresh by design."""
    cfg = shrink(load(path))
    cfg.model.backbone.patch_size = 16
    file = tmp_path / 'encoder.pth'
    torch.save(make_file(cfg), file)
    backbone = copy.deepcopy(cfg.model.backbone)
    backbone.pop('type'), backbone.pop('init_cfg')
    vit = PlainViT(**backbone)
    before = {name: value.clone() for name, value in vit.state_dict().items()}
    account = load_pretrained(vit, str(file))
    untouched = {name for name, value in vit.state_dict().items() if value.equal(before[name])}
    fresh = {name for names in account.fresh.values() for name in names}
    assert untouched == fresh
    assert all('rel_pos' in name or TABLE in name or '.gamma' in name for name in fresh)
    (maps, *_) = vit.eval()(torch.randn(1, 3, 48, 64))
    assert maps.shape == (1, 32, 3, 4) and maps.isfinite().all()


def test_initialization__table_of_beit_reaches_both_kinds_of_blocks(tmp_path):
    """Blocks with windows and global ones, without the rows of the class token."""
    cfg = shrink(load(detection.FPN_BEIT))
    file = tmp_path / 'beit.pth'
    content = beit_file(cfg)
    torch.save(content, file)
    backbone = dict(cfg.model.backbone, window_size=4)
    backbone.pop('type'), backbone.pop('init_cfg')
    vit = PlainViT(**backbone)
    load_pretrained(vit, str(file))
    (table,) = (value for name, value in content['model'].items() if name.endswith(TABLE))
    torch.testing.assert_close(getattr(vit.rel_pos_bias_window, TABLE), table[:-3])


@pytest.mark.parametrize('path', [detection.DETECT, detection.FPN, segmentation.REL_POS])
def test_initialization__random_weights_by_an_option(path):
    cfg = load(path)
    assert cfg.model.backbone.init_cfg.type == 'PretrainedViT'
    cfg.merge_from_dict(cfg_options('model.backbone.init_cfg=None'))
    assert cfg.model.backbone.init_cfg is None
