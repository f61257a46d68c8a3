"""Show the learning rate and weight decay of each parameter group as a table.

Printed by ``tools/train.py --print-param-groups``.
"""

from mmengine.optim import OptimWrapper
from torch import nn
from torch.optim import Optimizer

from mae_transfer.optim.layer_decay import strip_wrappers

HEADER = ('group', 'layer', 'lr', 'lr scale', 'decay', 'tensors', 'parameters', 'names')


def format_param_groups(optimizer: OptimWrapper | Optimizer, model: nn.Module) -> str:
    """Format the parameter groups as a table of fixed width for a terminal or a log file.

    Works for the groups of any constructor; a group without ``layer_id`` shows ``-``.

    Args:
        optimizer: The optimizer or its wrapper.
        model: The model it was built for: gives names and counts what is not optimized.

    Returns:
        A header, one line per group and a line with the totals. ``parameters`` counts scalars.

    Raises:
        TypeError: ``optimizer`` is neither of the two (such as a dict of several wrappers).
    """
    if isinstance(optimizer, OptimWrapper):
        optimizer = optimizer.optimizer
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f'optimizer must be an Optimizer or an OptimWrapper, got {type(optimizer).__name__}'
        )
    names = {id(param): strip_wrappers(name) for name, param in model.named_parameters()}
    base_lr = optimizer.defaults['lr']
    rows = []
    for index, group in enumerate(optimizer.param_groups):
        params = group['params']
        first_name = names.get(id(params[0]), '?')
        layer_id = group.get('layer_id')
        lr_scale = group.get('lr_scale', group['lr'] / base_lr if base_lr else 1.0)
        rows.append(
            (
                str(index),
                '-' if layer_id is None else str(layer_id),
                f'{group["lr"]:.4g}',
                f'{lr_scale:.6g}',
                f'{group.get("weight_decay", 0.0):g}',
                str(len(params)),
                f'{sum(param.numel() for param in params):,}',
                first_name + (', ...' if len(params) > 1 else ''),
            )
        )

    optimized = {id(param) for group in optimizer.param_groups for param in group['params']}
    others = [param for param in model.parameters() if id(param) not in optimized]
    trained = [param for group in optimizer.param_groups for param in group['params']]
    return '\n'.join(
        [
            *_aligned([HEADER, *rows]),
            f'{len(trained)} tensors with {sum(p.numel() for p in trained):,} parameters in '
            f'{len(rows)} groups; not optimized: {len(others)} tensors with '
            f'{sum(p.numel() for p in others):,} parameters',
        ]
    )


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Pad the cells of each column to one width, numbers to the right, the last column as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        '  '.join(
            [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)] + [row[-1]]
        )
        for row in rows
    ]
