"""Configs of others inherit ours by ``mae_transfer::PATH``, and equal the file they come from."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hub import get_config

import mae_transfer  # noqa: F401

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
MAE = 'demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py'
# Inherits from MMDetection's package in turn.
DETECTION = 'demo/mask-rcnn_vit-demo-p8_mae-pre_simple-fpn_1xb8-600i_scenes-64x64.py'


def read(path: Path) -> Config:
    return Config.fromfile(path, import_custom_modules=False)


@pytest.mark.parametrize('name', [MAE, DETECTION])
def test_base__of_this_package_equals_the_file(tmp_path, name):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = 'mae_transfer::{name}'")
    assert read(path).to_dict() == read(CONFIGS / name).to_dict()


def test_base__of_other_packages_keeps_their_scope(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'")
    assert Config.fromfile(path).model._scope_ == 'mmdet'


def test_base__that_does_not_exist_is_an_error(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'mae_transfer::demo/nowhere.py'")
    with pytest.raises(FileNotFoundError, match=r'configs/demo/nowhere\.py'):
        Config.fromfile(path)


def test_get_config__finds_recipes_and_bases():
    assert get_config(f'mae_transfer::{DETECTION}').model.backbone.type == 'PlainViT'
    base = '_base_/default_runtime.py'
    assert get_config(f'mae_transfer::{base}').to_dict() == read(CONFIGS / base).to_dict()
