"""The CIFAR-10 autoencoder as released by IcarusWizard, one picture and one patch after another.

Its blocks are timm's, as there, with the norm of timm 0.4, which it names (epsilon 1e-5). Names of
parameters are the released ones.
"""

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn


def make_blocks(dims: int, depth: int, heads: int) -> nn.Sequential:
    """Blocks without a bias of query, key and value, which is timm's default."""
    return nn.Sequential(*(Block(dims, heads, norm_layer=nn.LayerNorm) for _ in range(depth)))


class NaiveEncoder(nn.Module):
    """Patches in a random order, the first of them seen."""

    def __init__(self, grid: tuple[int, int], patch: int, dims: int, depth: int, heads: int):
        super().__init__()
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, dims))
        self.pos_embedding = nn.Parameter(0.02 * torch.randn(grid[0] * grid[1], 1, dims))
        self.patchify = nn.Conv2d(3, dims, patch, patch)
        self.transformer = make_blocks(dims, depth, heads)
        self.layer_norm = nn.LayerNorm(dims)

    def forward(self, image: Tensor, seen: Tensor) -> Tensor:
        """One picture (3, H, W), the places that are seen -> class token and those, (1 + n, C)."""
        embedded = self.patchify(image[None])[0].flatten(1).T
        tokens = [self.cls_token[0, 0]]
        for place in seen.tolist():
            tokens.append(embedded[place] + self.pos_embedding[place, 0])
        return self.layer_norm(self.transformer(torch.stack(tokens)[None]))[0]


class NaiveDecoder(nn.Module):
    """Mask tokens in all other places, a position for every place and for the class token."""

    def __init__(self, grid: tuple[int, int], patch: int, dims: int, depth: int, heads: int):
        super().__init__()
        self.grid, self.patch = grid, patch
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, dims))
        self.pos_embedding = nn.Parameter(0.02 * torch.randn(grid[0] * grid[1] + 1, 1, dims))
        self.transformer = make_blocks(dims, depth, heads)
        self.head = nn.Linear(dims, 3 * patch**2)

    def forward(self, latent: Tensor, seen: Tensor) -> Tensor:
        """Tokens of the encoder -> predicted picture, (3, H, W)."""
        h, w = self.grid
        tokens = [self.mask_token[0, 0]] * (h * w)
        for place, token in zip(seen.tolist(), latent[1:], strict=True):
            tokens[place] = token
        x = torch.stack([latent[0], *tokens]) + self.pos_embedding[:, 0]
        patches = self.head(self.transformer(x[None])[0])[1:]
        rows = [torch.cat([self.square(p) for p in row], dim=2) for row in patches.split(w)]
        return torch.cat(rows, dim=1)

    def square(self, patch: Tensor) -> Tensor:
        """Values of a patch, channel after channel -> (3, p, p)."""
        return patch.reshape(3, self.patch, self.patch)


def naive_cifar_loss(
    encoder: NaiveEncoder,
    decoder: NaiveDecoder,
    images: Tensor,
    orders: Tensor,
    ratio: float = 0.75,
    released: bool = False,
) -> Tensor:
    """Mean over pictures of squared error times mask, divided by the ratio.

    Args:
        encoder: Encoder.
        decoder: Decoder.
        images: (B, 3, H, W).
        orders: Random order of the places of each picture, (B, L); the first of them are seen.
        ratio: Share of hidden patches.
        released: Mark the hidden patches from one place later on, since the released code counts
            the class token among the tokens that are seen.
    """
    p, w = decoder.patch, decoder.grid[1]
    num_seen = int(orders.shape[1] * (1 - ratio))
    errors = []
    for image, order in zip(images, orders, strict=True):
        seen = order[:num_seen]
        picture = decoder(encoder(image, seen), seen)
        mask = torch.zeros_like(image)
        for place in order[num_seen + int(released) :].tolist():
            top, left = place // w * p, place % w * p
            mask[:, top : top + p, left : left + p] = 1
        errors.append((picture - image) ** 2 * mask)
    return torch.stack(errors).mean() / ratio


def encoder_to_plain_vit(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the released encoder's tensors to PlainViT's."""
    renamed = {}
    for name, tensor in state.items():
        name = name.replace('transformer.', 'blocks.').replace('layer_norm.', 'norm.')
        name = name.replace('patchify.', 'patch_embed.proj.')
        if name == 'pos_embedding':
            name, tensor = 'pos_embed', tensor.transpose(0, 1)
        renamed[name] = tensor
    return renamed


def decoder_to_mae_decoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the released decoder's tensors to MAEDecoder's."""
    renamed = {}
    for name, tensor in state.items():
        name = name.replace('transformer.', 'decoder_blocks.').replace('head.', 'decoder_pred.')
        if name == 'pos_embedding':
            name, tensor = 'decoder_pos_embed', tensor.transpose(0, 1)
        renamed[name] = tensor
    return renamed
