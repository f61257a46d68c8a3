import pytest
import torch

from mae_transfer.layers.patch_embed import PatchEmbed


def test_embed_visible__equals_embedding_all_and_selecting():
    embed = PatchEmbed(3, 16, (4, 8))
    images = torch.randn(2, 3, 16, 24)
    ids_keep = torch.tensor([[5, 0, 11], [1, 2, 3]])
    everything = embed(images).flatten(2).transpose(1, 2)
    expected = torch.stack([everything[b, ids] for b, ids in enumerate(ids_keep)])
    torch.testing.assert_close(embed.embed_visible(images, ids_keep), expected)


@pytest.mark.parametrize('size', [(9, 7), (9, 10), (12, 7)])
def test_patch_embed__pads_right_and_bottom_with_zeros(size):
    """Both sides, or one of them, to whole patches of 4 x 5."""
    embed = PatchEmbed(1, 8, (4, 5))
    image = torch.randn(1, 1, *size)
    padded = torch.zeros(1, 1, 12, 10)
    padded[..., : size[0], : size[1]] = image
    torch.testing.assert_close(embed(image), embed(padded))
