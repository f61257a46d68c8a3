"""Weights that hide no mistake: fresh models are full of zeros and ones."""

from typing import TypeVar

from torch import nn

Module = TypeVar('Module', bound=nn.Module)


def randomize(module: Module, std: float = 0.3) -> Module:
    """Give every trained parameter, zeros included, a value that matters.

    Args:
        module: Changed in place. Its frozen parameters, such as positions by sine, stay.
        std: Standard deviation of the new values.

    Returns:
        The same module.
    """
    for parameter in module.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=std)
    return module
