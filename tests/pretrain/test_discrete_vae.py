"""The discrete VAE: relaxation, divergence, likelihoods, shapes, gradients, a short training."""

import math
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope

from mae_transfer.demo.scene_render import SceneConfig, render_scene
from mae_transfer.hooks import AnnealHook
from mae_transfer.pretrain import (
    DiscreteVAE,
    LogitLaplaceLikelihood,
    SquaredErrorLikelihood,
    TokenizerMetric,
)
from mae_transfer.pretrain.discrete_vae import kl_to_uniform
from mae_transfer.pretrain.image_likelihood import standardize
from mae_transfer.pretrain.tokenizer_range import MEAN, STD
from tests.references.naive_gumbel_softmax import naive_gumbel_softmax

SQUARED, LAPLACE = dict(type='SquaredErrorLikelihood'), dict(type='LogitLaplaceLikelihood')
SMALL = dict(num_codes=6, embed_dims=5, hidden_dims=8, num_layers=2, num_blocks=1)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def small(head: dict = SQUARED, **options) -> DiscreteVAE:
    return DiscreteVAE(head, **(SMALL | options))


def pictures(batch: int = 2, height: int = 8, width: int = 12) -> torch.Tensor:
    return torch.rand(batch, 3, height, width) * 0.8 + 0.1


# ---- the relaxation


def seen_by_decoder(model: DiscreteVAE, images: torch.Tensor, seed: int) -> torch.Tensor:
    """The weights of the codes that a training step hands to the decoder."""
    seen = []
    paint = model.paint
    model.paint = lambda codes: seen.append(codes) or paint(codes)
    torch.manual_seed(seed)
    model.loss(images)
    del model.paint
    return seen[0]


@pytest.mark.parametrize('temperature', [1.0, 0.25])
def test_relaxation__equals_the_naive_formula(temperature):
    model, images = small(temperature=temperature), pictures()
    codes = seen_by_decoder(model, images, seed=3)
    logits = model.code_logits(images)
    torch.manual_seed(3)
    noise = torch.empty_like(logits).exponential_()
    for b, row, column in ((0, 0, 0), (1, 1, 2)):
        place = (b, slice(None), row, column)
        expected = naive_gumbel_softmax(logits[place].tolist(), noise[place].tolist(), temperature)
        torch.testing.assert_close(codes[place], torch.tensor(expected))


def test_relaxation__hand_case():
    """Logits ln(1), ln(3), equal noise: weights 1/4, 3/4 at temperature 1; 1/10, 9/10 at 1/2."""
    logits = [0.0, math.log(3)]
    assert naive_gumbel_softmax(logits, [1.0, 1.0], 1.0) == pytest.approx([0.25, 0.75])
    assert naive_gumbel_softmax(logits, [1.0, 1.0], 0.5) == pytest.approx([0.1, 0.9])


def test_straight_through__is_one_code_with_the_gradient_of_the_mixture():
    images = pictures()
    soft, hard = small(temperature=0.7), small(temperature=0.7, straight_through=True)
    hard.load_state_dict(soft.state_dict())
    soft_codes = seen_by_decoder(soft, images, seed=1)
    hard_codes = seen_by_decoder(hard, images, seed=1)
    one_hot = F.one_hot(soft_codes.argmax(1), 6).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(hard_codes, one_hot)
    weight = torch.rand_like(soft_codes)
    (soft_codes * weight).sum().backward()
    (hard_codes * weight).sum().backward()
    for a, b in zip(soft.backbone.parameters(), hard.backbone.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
        assert a.grad.abs().sum() > 0


# ---- the divergence


def test_kl__by_hand():
    """Two codes, q = (1/4, 3/4): 1/4 ln(1/2) + 3/4 ln(3/2); q = (1/2, 1/2): 0. Their mean."""
    logits = torch.tensor([[0.0, math.log(3)], [5.0, 5.0]]).T.reshape(1, 2, 1, 2)
    expected = (0.25 * math.log(0.5) + 0.75 * math.log(1.5)) / 2
    torch.testing.assert_close(kl_to_uniform(logits), torch.tensor(expected))


def test_kl__of_a_sure_code_is_the_log_of_their_number():
    logits = torch.tensor([0.0, 200.0, 0.0, 0.0, 0.0]).reshape(1, 5, 1, 1)
    torch.testing.assert_close(kl_to_uniform(logits), torch.tensor(math.log(5)))


def test_kl__weight_is_per_value_of_the_picture():
    """Codes of 4 x 4 pixels, 3 channels: a weight of 6.6 counts 6.6 / 48 per place."""
    model, images = small(kl_weight=6.6), pictures()
    expected = 6.6 / 48 * kl_to_uniform(model.code_logits(images))
    torch.testing.assert_close(model.loss(images)['loss_kl'], expected)


# ---- the likelihoods


def test_squared_error__by_hand():
    """0.1 and 0.9 are -1 and 1; maps of 0 and 1 are off by 1 and 0."""
    images = torch.tensor([0.1, 0.9]).reshape(1, 1, 1, 2)
    maps = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    head = SquaredErrorLikelihood()
    torch.testing.assert_close(head.loss(maps, images), torch.tensor(0.5))
    torch.testing.assert_close(head.to_images(standardize(images)), images)


def test_logit_laplace__by_hand():
    """A value of 1/2, mu = 2, b = e: |0 - 2| / e + ln(2 e / 4)."""
    maps = torch.tensor([2.0, 1.0]).reshape(1, 2, 1, 1)
    expected = 2 / math.e + math.log(2 * math.e * 0.25)
    loss = LogitLaplaceLikelihood().loss(maps, torch.full((1, 1, 1, 1), 0.5))
    torch.testing.assert_close(loss, torch.tensor(expected))


def test_logit_laplace__is_a_density():
    """It integrates to one over (0, 1)."""
    x = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    maps = torch.tensor([0.4, -0.3]).reshape(1, 2, 1, 1)
    head = LogitLaplaceLikelihood()
    values = x.float().reshape(-1, 1, 1, 1)
    mean_log = torch.stack([head.loss(maps, value.reshape(1, 1, 1, 1)) for value in values[::2000]])
    mu, b = 0.4, math.exp(-0.3)
    density = torch.exp(-(torch.logit(x) - mu).abs() / b) / (2 * b * x * (1 - x))
    assert density.mean().item() == pytest.approx(1.0, abs=1e-4)
    torch.testing.assert_close(torch.exp(-mean_log).double(), density[::2000], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ('head', 'maps', 'pixels'),
    [
        (SquaredErrorLikelihood(), [-3.0, 0.5, 3.0], [0.1, 0.7, 0.9]),
        # sigmoid(ln 3) = 3/4; the second half of the maps is the scale
        (LogitLaplaceLikelihood(), [-9.0, math.log(3), 9.0, 1.0, 2.0, 3.0], [0.1, 0.75, 0.9]),
    ],
)
def test_likelihood__paints_pictures_in_the_range_of_dall_e(head, maps, pixels):
    found = head.to_images(torch.tensor(maps).reshape(1, -1, 1, 1))
    torch.testing.assert_close(found.flatten(), torch.tensor(pixels))


# ---- the model


def residual(block: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Add to x two 3x3 convolutions, each followed by a ReLU, and a 1x1 convolution."""
    first, _, second, _, last = block.branch
    y = F.conv2d(x, first.weight, first.bias, padding=1).relu()
    y = F.conv2d(y, second.weight, second.bias, padding=1).relu()
    return x + F.conv2d(y, last.weight, last.bias)


@torch.no_grad()
def test_encoder_and_decoder__equal_the_layers_of_beits_code():
    """Kernels of 4 at stride 2, residual blocks, 1x1 convolutions; pictures in [-1, 1]."""
    model, images = small(num_blocks=2), pictures()
    x = (images - 0.5) / 0.4
    for conv, _ in model.backbone.downsample:
        assert conv.kernel_size == (4, 4)
        x = F.conv2d(x, conv.weight, conv.bias, stride=2, padding=1).relu()
    for block in model.backbone.blocks:
        x = residual(block, x)
    logits = model.backbone.to_logits
    expected = F.conv2d(x, logits.weight, logits.bias)
    torch.testing.assert_close(model.code_logits(images), expected)

    embedded = torch.randn(2, 5, 2, 3)
    x = F.conv2d(embedded, model.neck.from_codes.weight, model.neck.from_codes.bias)
    for block in model.neck.blocks:
        x = residual(block, x)
    for conv, _ in model.neck.upsample:
        assert conv.kernel_size == (4, 4)
        x = F.conv_transpose2d(x, conv.weight, conv.bias, stride=2, padding=1).relu()
    expected = F.conv2d(x, model.neck.to_maps.weight, model.neck.to_maps.bias)
    torch.testing.assert_close(model.neck(embedded), expected)


def test_preprocessor__turns_bgr_to_rgb():
    """Pictures are read as BGR; a single channel has no order."""
    pixels = torch.tensor([1, 2, 3], dtype=torch.uint8).reshape(1, 3, 1, 1)
    inputs = small().data_preprocessor({'inputs': pixels, 'data_samples': []})['inputs']
    torch.testing.assert_close(inputs.flatten(), (torch.tensor([3.0, 2.0, 1.0]) - MEAN) / STD)
    gray = {'inputs': pixels[:, :1], 'data_samples': []}
    assert small(in_channels=1).data_preprocessor(gray)['inputs'].shape == (1, 1, 1, 1)


@pytest.mark.parametrize('head', [SQUARED, LAPLACE], ids=['squared', 'laplace'])
@pytest.mark.parametrize('num_layers', [1, 3])
def test_shapes__there_and_back(head, num_layers):
    model, side = small(head, num_layers=num_layers), 2**num_layers
    images = pictures(2, 2 * side, 3 * side)
    assert model.patch_size == (side, side)
    assert model(images).shape == (2, 6, 2, 3)
    painted, tokens = model.reconstruct(images)
    assert tokens.shape == (2, 6) and tokens.dtype == torch.int64
    assert painted.shape == images.shape
    assert painted.min() >= 0.1 and painted.max() <= 0.9


def test_tokens__run_row_by_row():
    """A place's token is the code of its own pixels: the grid of two rows and three columns."""
    model, images = small(), pictures()
    expected = model.code_logits(images).argmax(1)
    for row in range(2):
        for column in range(3):
            torch.testing.assert_close(
                model.tokenize(images)[:, 3 * row + column], expected[:, row, column]
            )


def test_decode_tokens__equals_painting_certain_codes():
    model = small()
    tokens = torch.randint(6, (2, 6))
    certain = F.one_hot(tokens, 6).float().transpose(1, 2).unflatten(2, (2, 3))
    expected = model.head.to_images(model.paint(certain))
    torch.testing.assert_close(model.decode_tokens(tokens, (2, 3)), expected)


def test_loss__every_parameter_gets_a_gradient():
    model = small(LAPLACE, kl_weight=1.0)
    losses = model.loss(pictures())
    (losses['loss_reconstruction'] + losses['loss_kl']).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_preprocessor__maps_pixels_to_the_range_of_dall_e():
    model = small()
    pixels = torch.tensor([0, 255]).to(torch.uint8).expand(1, 3, 1, 2)
    inputs = model.data_preprocessor({'inputs': pixels, 'data_samples': []})['inputs']
    torch.testing.assert_close(inputs, torch.tensor([0.1, 0.9]).expand(1, 3, 1, 2))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(num_codes=0), 'num_codes=0'),
        (dict(num_layers=0), 'num_layers=0'),
        (dict(temperature=0.0), 'temperature=0.0'),
    ],
)
def test_model__rejects(options, words):
    with pytest.raises(ValueError, match=words):
        small(**options)


def test_model__rejects_pictures_that_codes_do_not_tile():
    with pytest.raises(ValueError, match='8x10'):
        small().tokenize(pictures(1, 8, 10))


# ---- a training


@cache
def scenes(split: str, count: int) -> torch.Tensor:
    """Embedded scenes at half size, in DALL-E's range, (count, 3, 32, 32)."""
    config = SceneConfig()
    pixels = torch.stack(
        [torch.from_numpy(render_scene(config, split, i).image) for i in range(count)]
    )
    pixels = F.avg_pool2d(pixels.permute(0, 3, 1, 2).float(), 2)
    return (pixels - MEAN) / STD


@pytest.mark.slow
@pytest.mark.parametrize('straight_through', [False, True])
def test_training__reconstructs_new_scenes_and_uses_its_codes(straight_through):
    """Better than the mean picture by half, and with more than half of the codes."""
    torch.manual_seed(0)
    model = small(
        num_codes=32,
        embed_dims=16,
        hidden_dims=24,
        straight_through=straight_through,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    temperature = AnnealHook('temperature', 1.0, 1 / 16, 150)
    kl_weight = AnnealHook('kl_weight', 0.0, 0.5, 50)
    seen = scenes('pretrain', 256)
    for step in range(200):
        model.temperature, model.kl_weight = temperature.value(step), kl_weight.value(step)
        losses = model.loss(seen[torch.randint(256, (16,))])
        optimizer.zero_grad()
        (losses['loss_reconstruction'] + losses['loss_kl']).backward()
        optimizer.step()
    metric = TokenizerMetric(num_codes=32)
    metric.process(None, model.eval()(scenes('val', 64), mode='predict'))
    result = metric.evaluate(size=64)
    assert result['reconstruction_MSE'] < 0.5 * result['mean_picture_MSE']
    assert result['codes_used'] > 50
