"""Finds the module where the numbers of a step cease to be finite."""

from contextlib import nullcontext

import pytest
import torch
from mmengine.model import BaseModel
from torch import nn

from mae_transfer.kept_steps.first_nonfinite import (
    nonfinite_gradient,
    nonfinite_weight,
    run_parts,
    watch_modules,
)

NAN = float('nan')


class Logarithm(nn.Module):
    def forward(self, x):
        return x.log()


class Model(BaseModel):
    """Two layers, and between them a logarithm, which negative numbers and zeros have none of."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 3)
        self.log = Logarithm()
        self.head = nn.Linear(3, 1)
        nn.init.eye_(self.stem.weight)
        nn.init.zeros_(self.stem.bias)

    def forward(self, inputs, mode='tensor'):
        x = torch.stack(inputs)
        x = self.head(self.log(self.stem(x)))
        return {'loss': x.mean()} if mode == 'loss' else x


def run(parts, backward=False, model=None):
    model = model or Model()
    with watch_modules(model) as watched:
        loss = run_parts(model, parts, nullcontext, backward)
    return model, watched, loss


def test_watch_modules__names_the_first_and_whether_its_inputs_were_finite():
    _, watched, _ = run([dict(inputs=[torch.ones(3)]), dict(inputs=[-torch.ones(3)])])
    assert watched.first_output() == ('log', True)
    assert [name for name, _, _ in watched.outputs].count('stem') == 2
    _, watched, _ = run([dict(inputs=[torch.ones(3)])])
    assert watched.first_output() is None
    assert dict((name, size) for name, size, _ in watched.outputs)['stem'] == 1
    assert [name for name, _, _ in watched.outputs][-1] == 'Model'


def test_watch_modules__tells_of_an_input_that_is_not_finite_already():
    model = Model()
    with watch_modules(model) as watched:
        model.head(torch.full((1, 3), NAN))
    assert watched.first_output() == ('head', False)


def test_watch_modules__removes_its_hooks():
    model, _, _ = run([dict(inputs=[torch.ones(3)])])
    assert not any(module._forward_hooks for module in model.modules())


def test_run_parts__has_the_loss_and_gradient_of_a_step_and_leaves_the_batch():
    parts = [dict(inputs=[torch.full((3,), 2.0)] * 2), dict(inputs=[torch.full((3,), 5.0)])]
    model, watched, loss = run(parts, backward=True)
    total = sum(model(part['inputs'], mode='loss')['loss'] for part in parts) / 2
    assert loss == pytest.approx(float(total.detach()))
    (expected,) = torch.autograd.grad(total, model.head.weight)
    torch.testing.assert_close(model.head.weight.grad, expected)
    assert len(parts[0]['inputs']) == 2
    assert watched.first_gradient() is None


def test_gradient__that_is_not_finite_is_found_in_the_order_of_the_backward_pass():
    """The derivative of the logarithm is infinite at 0, which is the output of the stem."""
    model, watched, _ = run([dict(inputs=[torch.zeros(3)])], backward=True)
    assert watched.first_gradient() == 'stem'
    model.zero_grad()
    model.stem.weight.grad = torch.full((3, 3), NAN)
    model.head.bias.grad = torch.tensor([1.0])
    assert nonfinite_gradient(model) == 'stem.weight'
    model.head.bias.grad = torch.tensor([NAN])
    assert nonfinite_gradient(model) == 'head.bias'


def test_nonfinite_weight__looks_at_parameters_and_running_statistics():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model.register_buffer('mask', torch.tensor([-float('inf')]))  # as attention masks have
    assert nonfinite_weight(model) is None
    model[1].running_var[0] = float('inf')
    assert nonfinite_weight(model) == '1.running_var'
    model[0].bias.data[1] = NAN
    assert nonfinite_weight(model) == '0.bias'
