"""Tokens as targets: of a tokenizer of ours or of DALL-E's, frozen, and out of the way."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS, DefaultScope
from torch import nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from mae_transfer.pretrain import DiscreteVAE, MaskedAutoencoder, TokenTarget
from mae_transfer.pretrain.token_target import fingerprint
from mae_transfer.pretrain.tokenizer_range import MEAN, STD

TOKENIZER = dict(
    type='DiscreteVAE',
    head=dict(type='SquaredErrorLikelihood'),
    num_codes=7,
    embed_dims=4,
    hidden_dims=8,
    num_layers=2,
    num_blocks=1,
)
DALL_E = dict(type='DALL-E', group_count=4, n_hid=8, n_blk_per_group=1, vocab_size=11)
IMAGE_MEAN, IMAGE_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def save_tokenizer(path, seed: int = 0) -> DiscreteVAE:
    """A tokenizer and its checkpoint, as a run of MMEngine leaves it."""
    torch.manual_seed(seed)
    options = {key: value for key, value in TOKENIZER.items() if key != 'type'}
    model = DiscreteVAE(**options)
    torch.save({'meta': {}, 'state_dict': model.state_dict()}, path)
    return model.eval()


@pytest.fixture
def saved(tmp_path) -> tuple[DiscreteVAE, str]:
    path = tmp_path / 'tokenizer.pth'
    return save_tokenizer(path), str(path)


def views(height: int = 8, width: int = 12) -> torch.Tensor:
    return torch.rand(2, 3, height, width) * 0.8 + 0.1


def test_target__is_the_most_likely_code_row_by_row(saved):
    tokenizer, path = saved
    images = views()
    tokens = TokenTarget(TOKENIZER, path)(images)
    assert tokens.dtype == torch.int64 and not tokens.requires_grad
    torch.testing.assert_close(tokens, tokenizer.code_logits(images).argmax(1).flatten(1))


def test_target__is_the_same_again_in_training_too(saved):
    target = TokenTarget(TOKENIZER, saved[1])
    images = views().requires_grad_()
    first = target(images)
    target.train()
    assert not target.tokenizer.training
    torch.testing.assert_close(target(images), first)
    with torch.autocast('cpu', torch.bfloat16):
        torch.testing.assert_close(target(images), first)


def test_target__has_nothing_to_train_and_nothing_to_save(saved):
    holder = nn.ModuleDict(dict(target=TokenTarget(TOKENIZER, saved[1])))
    assert list(holder.parameters()) == []
    assert list(holder.state_dict()) == ['target.fingerprint']
    assert not any(parameter.requires_grad for parameter in holder.target.tokenizer.parameters())


def test_target__moves_with_the_model(saved):
    target = TokenTarget(TOKENIZER, saved[1])
    target.double()
    assert all(parameter.dtype == torch.float64 for parameter in target.tokenizer.parameters())
    assert target.fingerprint.dtype == torch.int64
    copied = copy.deepcopy(target)
    assert copied.tokenizer is not target.tokenizer


def test_target__resumes_with_the_same_tokenizer_only(saved, tmp_path):
    state = TokenTarget(TOKENIZER, saved[1]).state_dict()
    TokenTarget(TOKENIZER, saved[1]).load_state_dict(state)
    other = tmp_path / 'other.pth'
    save_tokenizer(other, seed=1)
    with pytest.raises(ValueError, match='another tokenizer'):
        TokenTarget(TOKENIZER, str(other)).load_state_dict(state)


def test_target__reduces_and_renormalizes_what_another_view_was_given(saved):
    """Flat pictures of 200, normalized for the encoder and twice the size: the same tokens."""
    _, path = saved
    pixels = torch.full((1, 3, 16, 24), 200.0)
    column = torch.tensor([IMAGE_MEAN, IMAGE_STD]).reshape(2, 3, 1, 1)
    target = TokenTarget(TOKENIZER, path, IMAGE_MEAN, IMAGE_STD, view_size=(8, 12))
    tokens = target((pixels - column[0]) / column[1])
    assert tokens.shape == (1, 6)
    expected = TokenTarget(TOKENIZER, path)((pixels[..., :8, :12] - MEAN) / STD)
    torch.testing.assert_close(tokens, expected)


def test_target__reduces_smoothly_and_stays_in_range(saved):
    """Bicubic with antialiasing, as Pillow; what overshoots at edges is cut to DALL-E's range."""
    target, seen = TokenTarget(TOKENIZER, saved[1], view_size=(8, 12)), []
    target.tokenizer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images = torch.where(torch.rand(2, 3, 16, 24) < 0.5, 0.1, 0.9)
    target(images)
    expected = resize(images, [8, 12], InterpolationMode.BICUBIC, antialias=True)
    assert (images.amin(), images.amax()) == (seen[0].amin(), seen[0].amax())
    torch.testing.assert_close(seen[0], expected.clamp(0.1, 0.9))


def test_fingerprint__tells_weights_and_their_places_apart():
    weights = nn.Linear(3, 3, bias=False)
    one, other = nn.ModuleDict(dict(a=weights)), nn.ModuleDict(dict(b=weights))
    assert fingerprint(one) == fingerprint(copy.deepcopy(one))
    assert fingerprint(one) != fingerprint(other)
    other.b = nn.Linear(3, 3, bias=False)
    assert fingerprint(one) != fingerprint(nn.ModuleDict(dict(a=other.b)))


def test_target__paints_predictions_on_the_scale_of_the_images(saved):
    tokenizer, path = saved
    tokens = torch.randint(7, (2, 6))
    logits = F.one_hot(tokens, 7).float()
    painted = tokenizer.decode_tokens(tokens, (2, 3))
    torch.testing.assert_close(TokenTarget(TOKENIZER, path).to_images(logits, views()), painted)
    target = TokenTarget(TOKENIZER, path, IMAGE_MEAN, IMAGE_STD, view_size=(8, 12))
    large = target.to_images(logits, views(16, 24))
    column = torch.tensor([IMAGE_MEAN, IMAGE_STD]).reshape(2, 3, 1, 1)
    pixels = F.interpolate(painted * STD + MEAN, (16, 24), mode='bilinear')
    torch.testing.assert_close(large, (pixels - column[0]) / column[1])


def test_target__of_dall_e_reads_a_local_file(tmp_path):
    torch.manual_seed(0)
    encoder = MODELS.build(dict(DALL_E, type='mmpretrain.DALL-E'))
    path = tmp_path / 'dalle_encoder.pth'
    torch.save(encoder.state_dict(), path)
    target = TokenTarget(DALL_E, str(path))
    images = views(16, 24)
    tokens = target(images)
    assert tokens.shape == (2, 6)
    torch.testing.assert_close(tokens, encoder(images).argmax(1).flatten(1))
    with pytest.raises(ValueError, match='no decoder'):
        target.to_images(torch.zeros(2, 6, 11), images)


def test_target__without_a_file_says_where_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.pth.*openai\.com/dall-e/encoder\.pkl'):
        TokenTarget(DALL_E, str(tmp_path / 'nowhere.pth'))
    with pytest.raises(FileNotFoundError, match=r'tools/train\.py configs/pretrain/dvae'):
        TokenTarget(TOKENIZER, str(tmp_path / 'nowhere.pth'))


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (dict(num_codes=9), r'of another shape \(.*codebook\.weight \(7, 4\) instead of \(9, 4\)'),
        (dict(num_blocks=2), r'missing \(backbone\.blocks\.1'),
        (dict(num_blocks=0), r'left over \(backbone\.blocks\.0'),
    ],
)
def test_target__rejects_weights_that_do_not_fit(saved, change, words):
    with pytest.raises(ValueError, match=words):
        TokenTarget(TOKENIZER | change, saved[1])


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(image_mean=IMAGE_MEAN), 'belong together'),
        (dict(tokenizer=dict(type='VQGAN')), 'VQGAN'),
    ],
)
def test_target__rejects(saved, options, words):
    with pytest.raises(ValueError, match=words):
        TokenTarget(**(dict(tokenizer=TOKENIZER, checkpoint=saved[1]) | options))


def test_target__refuses_pictures_of_another_range(saved):
    with pytest.raises(ValueError, match='second_mean'):
        TokenTarget(TOKENIZER, saved[1])(torch.randn(1, 3, 8, 12))


@pytest.mark.parametrize('value', [0.098, 0.902])
def test_target__range_has_a_margin_for_rounding_alone(saved, value):
    images = views()
    images[0, 0, 0, 0] = value
    with pytest.raises(ValueError, match='second_mean'):
        TokenTarget(TOKENIZER, saved[1])(images)
    images[0, 0, 0, 0] = 0.5 + (value - 0.5) * 0.4005 / 0.402
    TokenTarget(TOKENIZER, saved[1])(images)


def test_mae__predicts_tokens(saved):
    """MAE's table 1d: cross-entropy over hidden patches; no gradient reaches the tokenizer."""
    _, path = saved
    arch = dict(embed_dims=16, num_layers=1, num_heads=2)
    model = MaskedAutoencoder(
        backbone=dict(type='PlainViT', arch=arch, img_size=32, patch_size=8),
        neck=dict(type='MAEDecoder', encoder_dims=16, grid=(4, 4), out_dims=7, embed_dims=16,
                  num_layers=1, num_heads=2),
        target_generator=dict(type='TokenTarget', tokenizer=TOKENIZER, checkpoint=path,
                              image_mean=IMAGE_MEAN, image_std=IMAGE_STD, view_size=16),
        head=dict(type='TokenLoss'),
    )  # fmt: skip
    column = torch.tensor([IMAGE_MEAN, IMAGE_STD]).reshape(2, 3, 1, 1)
    images = (torch.rand(2, 3, 32, 32) * 255 - column[0]) / column[1]
    mask = torch.zeros(2, 16, dtype=torch.bool)
    mask[:, 3:15] = True
    loss = model.loss(images, mask=mask)['loss']
    tokens = model.target_generator(images)
    pred, _ = model.predict_patches(images, mask)
    torch.testing.assert_close(loss, F.cross_entropy(pred[mask], tokens[mask]))
    loss.backward()
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert all(model.get_parameter(name).grad is not None for name in trained)
    masked, painted, _ = model.reconstruct(images, mask)
    assert painted.shape == images.shape
