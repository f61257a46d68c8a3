import copy

import pytest
import torch

from mae_transfer.optim import MAELARS
from mae_transfer.registry import OPTIMIZERS


def with_grad(values, grad) -> torch.nn.Parameter:
    parameter = torch.nn.Parameter(torch.tensor(values))
    parameter.grad = torch.tensor(grad)
    return parameter


def test_lars__two_steps_by_hand():
    """A matrix of norm 5 with a gradient of norm 10: each gradient counts .001 * 5 / 10 of itself.

    Step 1: velocity = (.003, .004), p = (3, 4) - 2 * velocity = (2.994, 3.992), its norm 4.99.
    Step 2, same gradient, lr 1: update = .001 * 4.99 / 10 * (6, 8) = (.002994, .003992);
    velocity = .9 * (.003, .004) + update = (.005694, .007592).
    """
    matrix = with_grad([[3.0, 4.0]], [[6.0, 8.0]])
    optimizer = MAELARS([matrix], lr=2.0, momentum=0.9)
    optimizer.step()
    torch.testing.assert_close(matrix.data, torch.tensor([[2.994, 3.992]]))
    optimizer.param_groups[0]['lr'] = 1.0  # the velocity holds no learning rate
    optimizer.step()
    torch.testing.assert_close(matrix.data, torch.tensor([[2.994 - 0.005694, 3.992 - 0.007592]]))


def test_lars__weight_decay_joins_the_gradient_before_it_is_measured():
    """P = (3, 4), g = (-6, -3), decay 2: u = g + 2 p = (0, 5), as long as p: .001 of it counts."""
    matrix = with_grad([[3.0, 4.0]], [[-6.0, -3.0]])
    MAELARS([matrix], lr=1.0, weight_decay=2.0).step()
    torch.testing.assert_close(matrix.data, torch.tensor([[3.0, 4.0 - 0.005]]))


def test_lars__vectors_are_neither_scaled_nor_decayed():
    bias = with_grad([3.0, 4.0], [6.0, 8.0])
    MAELARS([bias], lr=0.5, weight_decay=2.0).step()
    torch.testing.assert_close(bias.data, torch.tensor([0.0, 0.0]))


@pytest.mark.parametrize(
    ('values', 'grad', 'expected'),
    [
        ([[0.0, 0.0]], [[6.0, 8.0]], [[-6.0, -8.0]]),  # a new layer takes the gradient as it is
        ([[3.0, 4.0]], [[0.0, 0.0]], [[3.0, 4.0]]),
    ],
)
def test_lars__a_norm_of_zero_leaves_the_update_unscaled(values, grad, expected):
    matrix = with_grad(values, grad)
    MAELARS([matrix], lr=1.0).step()
    torch.testing.assert_close(matrix.data, torch.tensor(expected))


def test_lars__is_sgd_with_momentum_for_vectors():
    ours, theirs = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizers = [MAELARS([ours], lr=0.1), torch.optim.SGD([theirs], lr=0.1, momentum=0.9)]
    for _ in range(5):
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            (parameter**3).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_lars__skips_what_has_no_gradient_and_returns_the_loss_of_a_closure():
    used, unused = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2, 2))
    optimizer = MAELARS([used, unused], lr=1.0)

    def closure() -> torch.Tensor:
        loss = used.sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(4.0)
    assert list(optimizer.state) == [used]
    torch.testing.assert_close(unused.data, torch.ones(2, 2))


def test_lars__resumes_from_its_state():
    parameters = [torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    optimizers = [MAELARS([parameter], lr=1.0) for parameter in parameters]
    for step in range(4):
        if step == 2:
            parameters[1].data.copy_(parameters[0].data)
            optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
        for parameter, optimizer in zip(parameters, optimizers, strict=True):
            parameter.grad = torch.full_like(parameter, 1.0 + step)
            if step >= 2 or parameter is parameters[0]:
                optimizer.step()
    torch.testing.assert_close(parameters[0], parameters[1])


@pytest.mark.parametrize(
    'wrong',
    [dict(lr=-1.0), dict(momentum=1.0), dict(weight_decay=-1.0), dict(trust_coefficient=-1)],
)
def test_lars__numbers_out_of_range_are_errors(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        MAELARS([torch.nn.Parameter(torch.ones(2))], **{'lr': 1.0, **wrong})


def test_lars__is_registered_for_every_framework():
    assert OPTIMIZERS.get('MAELARS') is MAELARS


@pytest.mark.parametrize('size', [1e-3, 1.0, 1e3])
@pytest.mark.parametrize('slope', [1e-3, 1.0, 1e3])
def test_lars__step_is_a_fraction_of_a_weight_of_any_size(size, slope):
    """Without decay the first step is lr * trust * |p| long, here .5 * .01 of it."""
    weight = torch.nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
    weight.data *= size / weight.data.norm()
    weight.grad = torch.randn(3, 4, dtype=torch.float64)
    weight.grad *= slope / weight.grad.norm()
    before, direction = weight.detach().clone(), weight.grad / slope
    MAELARS([weight], lr=0.5, trust_coefficient=0.01).step()
    torch.testing.assert_close(before - weight.detach(), 0.5 * 0.01 * size * direction)
