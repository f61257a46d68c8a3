"""Mask tokens inside the encoder (MAE, table 1c), against a loop over patches."""

import pytest
import torch
from torch import Tensor

from mae_transfer.pretrain import MaskedAutoencoder
from tests.pretrain.test_mae import P, build, some_mask
from tests.support.weights import randomize

IMG_SIZE = (32, 48)  # 4 x 6 patches


def with_mask_token() -> MaskedAutoencoder:
    model = build(img_size=IMG_SIZE)
    parts = ('backbone', 'neck', 'head', 'target_generator')
    model = MaskedAutoencoder(
        **{name: getattr(model, name) for name in parts}, encoder_mask_token=True
    )
    return randomize(model, std=0.1).eval()


def naive_prediction(model: MaskedAutoencoder, image: Tensor, mask: Tensor) -> Tensor:
    """Predict the patches of one image, token by token."""
    encoder, decoder = model.backbone, model.neck
    weight, bias = encoder.patch_embed.proj.weight, encoder.patch_embed.proj.bias
    tokens = [encoder.cls_token[0, 0] + encoder.pos_embed[0, 0]]
    columns = IMG_SIZE[1] // P
    for i in range(len(mask)):
        top, left = i // columns * P, i % columns * P
        patch = image[:, top : top + P, left : left + P]
        token = (weight * patch).sum(dim=(1, 2, 3)) + bias
        token = model.mask_token[0, 0] if mask[i] else token
        tokens.append(token + encoder.pos_embed[0, 1 + i])
    x = torch.stack(tokens).unsqueeze(0)
    for block in encoder.blocks:
        x = block(x)
    x = decoder.decoder_embed(encoder.norm(x)) + decoder.decoder_pos_embed
    for block in decoder.decoder_blocks:
        x = block(x)
    return decoder.decoder_pred(decoder.decoder_norm(x))[0, 1:]


def test_encoder_mask_token__equals_the_loop():
    model = with_mask_token()
    images, mask = torch.randn(2, 3, *IMG_SIZE), some_mask(2, 24, 18)
    pred, _ = model.predict_patches(images, mask)
    for image, hidden, row in zip(images, mask, pred, strict=True):
        expected = naive_prediction(model, image, hidden)
        torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)


def test_encoder_mask_token__hidden_pixels_do_not_reach_the_prediction():
    model = with_mask_token()
    images, mask = torch.randn(1, 3, *IMG_SIZE), some_mask(1, 24, 18)
    pixels = mask.reshape(1, 1, 4, 6).repeat_interleave(P, 2).repeat_interleave(P, 3)
    other = torch.where(pixels, torch.randn_like(images), images)
    pred = model.predict_patches(images, mask)[0]
    torch.testing.assert_close(model.predict_patches(other, mask)[0], pred)


def test_encoder_mask_token__a_batch_hides_one_number():
    model = with_mask_token()
    ragged = torch.zeros(2, 24, dtype=torch.bool)
    ragged[0, :3] = ragged[1, :5] = True
    with pytest.raises(ValueError, match='3 to 5'):
        model.predict_patches(torch.randn(2, 3, *IMG_SIZE), ragged)


def test_encoder_mask_token__learns_and_starts_like_the_other_tokens():
    model = with_mask_token()
    model.init_weights()
    assert 0.01 < model.mask_token.std() < 0.04
    model.loss(torch.randn(2, 3, *IMG_SIZE))['loss'].backward()
    assert model.mask_token.grad.abs().max() > 0
    for name, parameter in model.named_parameters():
        if 'pos_embed' not in name:  # every one is in the graph, as DDP asks
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert model.neck.mask_token.grad.abs().max() == 0  # the decoder has nothing to fill in


def test_encoder_mask_token__is_no_part_of_the_default_model():
    assert build().mask_token is None
    assert 'mask_token' not in build().state_dict()
