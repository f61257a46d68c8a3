"""Files that are named relative to the current folder, to the checkout or to the configs."""

import pytest

from mae_transfer.run.places import IN_CHECKOUT, PACKAGE, ROOT, find_file

CONFIG = 'demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py'


def test_root__of_a_checkout_is_the_checkout():
    assert IN_CHECKOUT
    assert ROOT == PACKAGE.parent
    assert (ROOT / 'setup.py').is_file()


@pytest.mark.parametrize('path', [f'configs/{CONFIG}', f'mae_transfer::{CONFIG}'])
def test_find_file__finds_configs_from_anywhere(monkeypatch, tmp_path, path):
    monkeypatch.chdir(tmp_path)
    assert find_file(path, 'CONFIG') == str(ROOT / 'configs' / CONFIG)


def test_find_file__prefers_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'setup.py').touch()
    assert find_file('setup.py', 'CONFIG') == str(tmp_path / 'setup.py')


@pytest.mark.parametrize('path', ['nowhere.py', 'mae_transfer::nowhere.py'])
def test_find_file__error_names_the_places(path):
    with pytest.raises(FileNotFoundError, match=rf"no file 'nowhere.py' in .*{ROOT}"):
        find_file(path, 'CONFIG')
