"""Slow, obvious versions of CAE's regressor, decoder and losses: one token after another."""

import math

import torch
from torch import Tensor, nn

from tests.references.cross_attention import naive_cross_attention


def naive_norm(norm: nn.LayerNorm, token: Tensor) -> Tensor:
    """Layer norm of one token, (D,)."""
    values = token.tolist()
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    normed = [(value - mean) / math.sqrt(variance + norm.eps) for value in values]
    return torch.tensor(normed) * norm.weight + norm.bias


def naive_mlp(mlp: nn.Module, token: Tensor) -> Tensor:
    """Linear, GELU (exact), linear of one token, (D,)."""
    hidden = mlp.fc1.weight @ token + mlp.fc1.bias
    hidden = torch.tensor([0.5 * h * (1 + math.erf(h / math.sqrt(2))) for h in hidden.tolist()])
    return mlp.fc2.weight @ hidden + mlp.fc2.bias


def naive_regressor_block(
    block: nn.Module, hidden: Tensor, visible: Tensor, pos_hidden: Tensor, pos_visible: Tensor
) -> Tensor:
    """One block for one image: hidden (M, D) attend to visible (V, D) and to themselves."""
    queries = [naive_norm(block.norm1_q, h + p) for h, p in zip(hidden, pos_hidden, strict=True)]
    keys, values = [], []
    for tokens, positions in ((visible, pos_visible), (hidden, pos_hidden)):
        for token, position in zip(tokens, positions, strict=True):
            keys.append(naive_norm(block.norm1_k, token + position))
            values.append(naive_norm(block.norm1_v, token))
    stacked = (torch.stack(tokens).unsqueeze(0) for tokens in (queries, keys, values))
    attended = naive_cross_attention(block.attn, *stacked)[0]
    out = []
    for token, seen in zip(hidden, attended, strict=True):
        state = naive_norm(block.norm2, token + block.ls1.gamma * seen)
        out.append(state + block.ls2.gamma * naive_mlp(block.mlp, state))  # not token + ...
    return torch.stack(out)


def naive_regressor(
    regressor: nn.Module, visible: Tensor, pos_visible: Tensor, pos_hidden: Tensor
) -> Tensor:
    """Latents of the hidden patches of one image, (M, D)."""
    hidden = torch.stack([regressor.mask_token[0, 0]] * len(pos_hidden))
    for block in regressor.blocks:
        hidden = naive_regressor_block(block, hidden, visible, pos_hidden, pos_visible)
    return torch.stack([naive_norm(regressor.norm, token) for token in hidden])


def naive_self_attention(attn: nn.Module, tokens: list[Tensor]) -> list[Tensor]:
    """Self-attention of one image's tokens, with biases of query and value alone."""
    dims = len(tokens[0])
    size = dims // attn.num_heads
    weights = attn.qkv.weight
    queries = [weights[:dims] @ token + attn.q_bias for token in tokens]
    keys = [weights[dims : 2 * dims] @ token for token in tokens]
    values = [weights[2 * dims :] @ token + attn.v_bias for token in tokens]
    out = []
    for query in queries:
        gathered = torch.zeros(dims)
        for head in range(attn.num_heads):
            part = slice(head * size, (head + 1) * size)
            scores = [math.exp(query[part] @ key[part] / math.sqrt(size)) for key in keys]
            for score, value in zip(scores, values, strict=True):
                gathered[part] += score / sum(scores) * value[part]
        out.append(attn.proj.weight @ gathered + attn.proj.bias)
    return out


def naive_decoder(decoder: nn.Module, latent: Tensor, positions: Tensor) -> Tensor:
    """Predictions for the hidden patches of one image, (M, out_dims)."""
    tokens = [token + position for token, position in zip(latent, positions, strict=True)]
    for block in decoder.blocks:
        seen = naive_self_attention(block.attn, [naive_norm(block.norm1, t) for t in tokens])
        tokens = [t + block.ls1.gamma * s for t, s in zip(tokens, seen, strict=True)]
        tokens = [
            t + block.ls2.gamma * naive_mlp(block.mlp, naive_norm(block.norm2, t)) for t in tokens
        ]
    normed = [naive_norm(decoder.norm, token) for token in tokens]
    return torch.stack([decoder.pred.weight @ token + decoder.pred.bias for token in normed])


def naive_token_loss(logits: Tensor, tokens: Tensor, mask: Tensor) -> float:
    """-ln softmax at the token, summed over hidden patches of the batch, by their number."""
    total, count = 0.0, 0
    for image in range(len(tokens)):
        for place, token in enumerate(tokens[image].tolist()):
            if mask[image, place]:
                values = logits[image, place].tolist()
                total += math.log(sum(math.exp(v) for v in values)) - values[token]
                count += 1
    return total / count


def naive_alignment(latent: Tensor, target: Tensor) -> float:
    """Mean of the squared differences of all numbers."""
    pairs = list(zip(latent.flatten().tolist(), target.flatten().tolist(), strict=True))
    return sum((a - b) ** 2 for a, b in pairs) / len(pairs)
