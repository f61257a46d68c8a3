"""Mixed precision on the CPU, against the same arithmetic written out."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn
from torch.amp import GradScaler
from torch.testing import assert_close

from mae_transfer.optim.autocast import AutocastOptimWrapper


def build_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 2))


class InFloat32(nn.Module):
    """Runs its inner model outside of autocast."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        with torch.autocast('cpu', enabled=False):
            return self.inner(x)


def build_wrapper(model, cls=AutocastOptimWrapper, **options):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.05)
    return cls(optimizer=optimizer, **options)


def step(wrapper, model, x, y):
    with wrapper.optim_context(model):
        loss = (model(x).float() - y).square().mean()
    wrapper.update_params(loss)
    return loss


def make_batches(count, size):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, size, 6, generator=generator), torch.randn(
        count, size, 2, generator=generator
    )


def test_context__matmul_in_bfloat16_gradients_in_float32():
    model = build_model()
    wrapper = build_wrapper(model)
    x = torch.randn(3, 6)
    with wrapper.optim_context(model):
        out = model[0](x)
    assert out.dtype == torch.bfloat16
    assert model[0](x).dtype == torch.float32
    wrapper.backward(out.float().sum())
    assert {param.dtype for param in model.parameters()} == {torch.float32}
    assert model[0].weight.grad.dtype == torch.float32
    assert model[0].weight.grad.abs().sum() > 0


def test_registry__builds_by_name():
    model = build_model()
    cfg = dict(type='AutocastOptimWrapper', dtype='bfloat16', accumulative_counts=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = OPTIM_WRAPPERS.build(cfg, default_args=dict(optimizer=optimizer))
    assert isinstance(wrapper, AutocastOptimWrapper)
    assert wrapper.cast_dtype == torch.bfloat16 and not wrapper.loss_scaler.is_enabled()


def test_step__equals_autocast_by_hand():
    """Three steps with clipping: the wrapper is torch.autocast around the forward pass, no more."""
    model = build_model()
    by_hand = copy.deepcopy(model)
    wrapper = build_wrapper(model, clip_grad=dict(max_norm=0.1))
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=1e-2, weight_decay=0.05)
    for x, y in zip(*make_batches(3, 4), strict=True):
        step(wrapper, model, x, y)
        with torch.autocast('cpu', torch.bfloat16):
            loss = (by_hand(x).float() - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(by_hand.parameters(), 0.1)
        optimizer.step()
    assert_close(list(model.parameters()), list(by_hand.parameters()))


@pytest.mark.parametrize('cls', [OptimWrapper, AutocastOptimWrapper])
def test_accumulation__four_times_two_is_eight(cls):
    """In float32, ten updates from 4 x 2 images give the weights of ten updates from 8."""
    plain = build_model()
    small, large = InFloat32(copy.deepcopy(plain)), InFloat32(copy.deepcopy(plain))
    small_wrapper = build_wrapper(small, cls, accumulative_counts=4)
    large_wrapper = build_wrapper(large, cls)
    x, y = make_batches(10, 8)
    for images, targets in zip(x, y, strict=True):
        step(large_wrapper, large, images, targets)
        for part in range(4):
            piece = slice(2 * part, 2 * part + 2)
            step(small_wrapper, small, images[piece], targets[piece])
    assert_close(list(small.parameters()), list(large.parameters()), rtol=0.0, atol=1e-6)
    assert (small.inner[0].weight - plain[0].weight).abs().max() > 1e-3


def test_accumulation__updates_only_at_the_last_part():
    model = build_model()
    wrapper = build_wrapper(model, accumulative_counts=3)
    before = model[0].weight.detach().clone()
    x, y = make_batches(3, 2)
    for index in range(3):
        assert_close(model[0].weight.detach(), before, rtol=0.0, atol=0.0)
        step(wrapper, model, x[index], y[index])
    assert (model[0].weight - before).abs().max() > 0


def scaled(wrapper, scale=1024.0):
    """Give the wrapper an active loss scaler, which float16 has on a GPU."""
    wrapper.loss_scaler = GradScaler('cpu', init_scale=scale, growth_interval=2)
    return wrapper


def test_scaler__gradients_are_unscaled_before_clipping():
    """A scale of 1024 changes nothing: steps, clipped norm and logged norm are those without."""
    model = build_model()
    other = copy.deepcopy(model)
    wrapper = build_wrapper(model, clip_grad=dict(max_norm=0.1))
    scaled_wrapper = scaled(build_wrapper(other, clip_grad=dict(max_norm=0.1)))
    norms = []
    for x, y in zip(*make_batches(3, 4), strict=True):
        for each, network in ((wrapper, model), (scaled_wrapper, other)):
            step(each, network, x, y)
            norms.append(each.message_hub.get_scalar('train/grad_norm').current())
    assert_close(norms[::2], norms[1::2], rtol=1e-5, atol=0.0)
    assert_close(list(other.parameters()), list(model.parameters()))
    assert scaled_wrapper.loss_scaler.get_scale() == 2048.0


def test_scaler__skips_a_step_with_inf():
    model = build_model()
    wrapper = scaled(build_wrapper(model))
    before = copy.deepcopy(model.state_dict())
    x, y = make_batches(1, 4)
    step(wrapper, model, x[0] * float('inf'), y[0])
    assert_close(model.state_dict(), before)
    assert wrapper.loss_scaler.get_scale() == 512.0


def test_state_dict__resumes_the_same_trajectory():
    x, y = make_batches(4, 4)
    model = build_model()
    wrapper = scaled(build_wrapper(model))
    for index in range(2):
        step(wrapper, model, x[index], y[index])
    saved = copy.deepcopy((model.state_dict(), wrapper.state_dict()))
    resumed_model = build_model()
    resumed_model.load_state_dict(saved[0])
    resumed = scaled(build_wrapper(resumed_model), scale=2.0)
    resumed.load_state_dict(saved[1])
    assert resumed.loss_scaler.get_scale() == 2048.0
    assert 'loss_scaler' in saved[1]
    for index in (2, 3):
        step(wrapper, model, x[index], y[index])
        step(resumed, resumed_model, x[index], y[index])
    assert_close(resumed_model.state_dict(), model.state_dict(), rtol=0.0, atol=0.0)


def test_state_dict__moves_between_precisions():
    """float32, bfloat16 and float16 runs resume from each other; the log says what is missing."""
    model = build_model()
    x, y = make_batches(1, 4)
    plain, bf16, fp16 = (
        build_wrapper(model, OptimWrapper),
        build_wrapper(model),
        scaled(build_wrapper(model)),
    )
    for source in (plain, bf16, fp16):
        step(source, model, x[0], y[0])
        for target in (plain, bf16, fp16):
            state = copy.deepcopy(source.state_dict())
            target.load_state_dict(state)
            assert target.optimizer.state[model[0].weight]['step'] >= 1
    assert 'loss_scaler' not in bf16.state_dict()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(dtype='float16'), "needs a CUDA device, .* on 'cpu'; use dtype='bfloat16'"),
        (dict(dtype=torch.float16), 'needs a CUDA device'),
        (dict(dtype='float32'), "for float32 use type='OptimWrapper'"),
        (dict(dtype='bf16'), "dtype must be 'bfloat16' or 'float16', got 'bf16'"),
        (dict(loss_scale=512.0), 'only for float16'),
        (dict(loss_scale='static'), "loss_scale must be 'dynamic'"),
        (dict(loss_scale=-1.0), "loss_scale must be 'dynamic'"),
    ],
)
def test_config__wrong_values(options, message):
    with pytest.raises(ValueError, match=message):
        build_wrapper(build_model(), **options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_gpu__trains_and_scales_only_float16(dtype):
    model = build_model().cuda()
    wrapper = build_wrapper(model, dtype=dtype, clip_grad=dict(max_norm=1.0))
    assert wrapper.loss_scaler.is_enabled() == (dtype == 'float16')
    x, y = (batch.cuda() for batch in make_batches(1, 8))
    losses = [step(wrapper, model, x[0], y[0]).item() for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]
