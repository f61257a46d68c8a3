"""tools/weights.py: the list, and one file fetched without a network."""

from pathlib import Path

import torch

from tests.tools.test_cli_errors import sentence_of


def test_weights__lists_names_files_and_pages(run_main):
    code, out, err = run_main('weights')
    assert code == 0, err
    lines = out.splitlines()
    first = lines.index('mae-vit-base             checkpoints/mae_pretrain_vit_base.pth')
    assert lines[first + 1].endswith('CC-BY-NC 4.0; https://github.com/facebookresearch/mae')


def test_weights__fetches_into_the_folder_that_configs_name(run_main, monkeypatch, tmp_path):
    def download(url, path, progress):
        Path(path).write_bytes(b'weights')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    code, out, err = run_main('weights', 'mae-vit-base-full')  # no hash is published
    assert code == 0, err
    assert (tmp_path / 'checkpoints' / 'mae_pretrain_vit_base_full.pth').read_bytes() == b'weights'
    assert 'license: CC-BY-NC 4.0' in out


def test_weights__error_is_one_sentence(run_main):
    assert "no weights are called 'mae'" in sentence_of(run_main('weights', 'mae'))
    assert 'drive.google.com' in sentence_of(run_main('weights', 'cae-base-300ep'))
