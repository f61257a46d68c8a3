"""Folders of Hugging Face's libraries: which file counts, and what config.json states."""

from mae_transfer.checkpoints.files.hugging_face import config_facts, find_weights, read_config


def test_config_facts__by_hand():
    config = dict(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, layer_norm_eps=1e-12,
        hidden_act='gelu', num_channels=1, patch_size=8, image_size=48, norm_pix_loss=True,
        intermediate_size=64,
    )  # fmt: skip
    assert config_facts(config) == dict(
        embed_dims=32, num_layers=2, num_heads=4, norm_eps=1e-12, act='gelu', in_channels=1,
        patch_size=[8, 8], pos_grid=[6, 6], norm_pix=True,
    )  # fmt: skip
    assert config_facts({}) == {}


def test_find_weights__without_code_first_and_whole_before_shards(tmp_path):
    """Files are added from the least wanted to the most wanted."""
    assert find_weights(tmp_path) is None
    for name in (
        'pytorch_model.bin.index.json',
        'pytorch_model.bin',
        'model.safetensors.index.json',
        'model.safetensors',
    ):
        (tmp_path / name).touch()
        assert find_weights(tmp_path).name == name


def test_read_config__beside_the_files_of_the_library_alone(tmp_path):
    (tmp_path / 'config.json').write_text('{"hidden_size": 32}')
    assert read_config(tmp_path / 'model.safetensors') == {'hidden_size': 32}
    assert read_config(tmp_path / 'pytorch_model.bin.index.json') == {'hidden_size': 32}
    assert read_config(tmp_path / 'mae.pth') is None
