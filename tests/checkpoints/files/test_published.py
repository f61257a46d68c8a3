"""Released weights: the table, downloads without a network, hashes."""

import hashlib
import re
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from mae_transfer.checkpoints.files import published
from mae_transfer.checkpoints.files.published import Weights, fetch, find_published

ROOT = Path(__file__).resolve().parents[3]
CONTENT = b'weights'
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


def weights(**kwargs) -> Weights:
    facts = dict(
        name='vit', file='vit.pth', holds='a ViT', page='https://a.b', url='https://a.b/vit.pth',
        hash=f'md5:{MD5[:6]}',
    )  # fmt: skip
    return Weights(**facts | kwargs)


@pytest.fixture
def downloads(monkeypatch) -> list[str]:
    """Stand in for the network; returns the addresses that were asked for."""
    asked: list[str] = []

    def download(url: str, path: str, progress: bool) -> None:
        asked.append(url)
        Path(path).write_bytes(CONTENT)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    return asked


def test_table__has_every_file_that_a_config_names():
    named = set()
    for path in (ROOT / 'configs').rglob('*.py'):
        named |= set(re.findall(r"'checkpoints/([^']+)'", path.read_text(encoding='utf-8')))
    known = {entry.file for entry in published.PUBLISHED}
    assert named
    assert named <= known


def test_table__names_and_files_are_unique_and_hashes_have_an_algorithm():
    names = [entry.name for entry in published.PUBLISHED]
    files = [entry.file for entry in published.PUBLISHED]
    assert len(set(names)) == len(names) and len(set(files)) == len(files)
    for entry in published.PUBLISHED:
        assert re.fullmatch(r'|(md5|sha256):[0-9a-f]{6,}', entry.hash), entry.name
        assert entry.page or not entry.url, entry.name
        assert not entry.hash or entry.url, entry.name


def test_table__is_that_of_the_page():
    """Row by row, so that a failure shows the row to paste into the page."""
    page = (ROOT / 'configs' / 'weights.md').read_text(encoding='utf-8')
    rows = [line for line in page.splitlines() if line.startswith('| `')]
    assert rows == [row_of(entry) for entry in published.PUBLISHED]


def row_of(entry: Weights) -> str:
    """Row of the table in ``configs/weights.md``."""
    source = f'[page]({entry.page})' if entry.page else 'not published'
    if entry.url:
        source += f', [file]({entry.url})'
    cells = (
        f'`{entry.name}`',
        f'`{entry.file}`',
        entry.holds,
        source,
        entry.license if entry.page else '',
        entry.hash,
    )
    return f'| {" | ".join(cells)} |'


def test_table__of_mae_is_what_its_readme_states():
    base = find_published('mae-vit-base')
    assert base.file == 'mae_pretrain_vit_base.pth'
    assert base.url == 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth'
    assert (base.hash, base.license) == ('md5:8cad7c', 'CC-BY-NC 4.0')


def test_find_published__says_the_closest():
    with pytest.raises(ValueError, match="'mae-vit-bas'; the closest are mae-vit-base"):
        find_published('mae-vit-bas')


def test_fetch__writes_the_file_and_nothing_else(downloads, tmp_path):
    path = fetch(weights(), tmp_path / 'checkpoints')
    assert path == tmp_path / 'checkpoints' / 'vit.pth'
    assert path.read_bytes() == CONTENT
    assert downloads == ['https://a.b/vit.pth']
    assert list(path.parent.iterdir()) == [path]


def test_fetch__leaves_a_right_file_alone(downloads, tmp_path):
    (tmp_path / 'vit.pth').write_bytes(CONTENT)
    fetch(weights(), tmp_path)
    assert downloads == []


def test_fetch__refuses_another_file_of_that_name(downloads, tmp_path):
    (tmp_path / 'vit.pth').write_bytes(b'other')
    with pytest.raises(ValueError, match='is not the published vit: its md5 is '):
        fetch(weights(), tmp_path)
    assert downloads == []
    assert (tmp_path / 'vit.pth').read_bytes() == b'other'


@pytest.mark.parametrize('hash', ['md5:000000', 'sha256:00000000'])
def test_fetch__a_wrong_hash_leaves_no_file(downloads, tmp_path, hash):
    with pytest.raises(ValueError, match=r'its (md5|sha256) is .* begins with 0000'):
        fetch(weights(hash=hash), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_fetch__without_a_network_says_what_to_put_where(monkeypatch, tmp_path):
    def unreachable(*args, **kwargs):
        raise URLError('Name or service not known')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', unreachable)
    with pytest.raises(RuntimeError) as caught:
        fetch(weights(), tmp_path)
    message = str(caught.value)
    assert 'https://a.b/vit.pth cannot be reached from here' in message
    assert f'save it as {tmp_path / "vit.pth"}' in message
    assert list(tmp_path.iterdir()) == []


def test_fetch__by_hand_or_not_published(downloads, tmp_path):
    with pytest.raises(ValueError, match=r'get it from https://a\.b and save it as .*vit\.pth'):
        fetch(weights(url='', hash=''), tmp_path)
    with pytest.raises(ValueError, match='nobody has published these weights'):
        fetch(weights(url='', hash='', page=''), tmp_path)
    assert downloads == []


def test_fetch_timm__without_a_network_is_one_sentence(monkeypatch):
    def unreachable(*args, **kwargs):
        raise ConnectionError('offline')

    monkeypatch.setattr(published.timm, 'create_model', unreachable)
    with pytest.raises(RuntimeError, match='cannot be downloaded from here'):
        published.fetch_timm('vit_base_patch16_224.mae')
    with pytest.raises(ValueError, match='no such architecture'):
        published.fetch_timm('vit_bas')
