"""Program of one rank: parameter groups under DDP and FSDP, compared with those of the plain model.

Started by torchrun in ``tests/optim/test_layer_decay_distributed.py``.
"""

import torch
import torch.distributed as dist
from mmengine.optim import build_optim_wrapper
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.nn.parallel import DistributedDataParallel

from mae_transfer.backbones.plain_vit import PlainViT


def build_table(model: nn.Module) -> dict[str, tuple[float, float]]:
    """(lr, weight decay) by parameter name."""
    cfg = dict(
        optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.05),
        constructor='LayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=0.5),
    )
    return {
        name: (group['lr'], group['weight_decay'])
        for group in build_optim_wrapper(model, cfg).optimizer.param_groups
        for name in group['param_names']
    }


def build_model() -> nn.Module:
    """A backbone of two blocks and a head."""
    backbone = PlainViT(dict(embed_dims=8, num_layers=2, num_heads=2), img_size=32)
    return nn.ModuleDict(dict(backbone=backbone, head=nn.Linear(8, 3)))


def shard(module: nn.Module, **options) -> FullyShardedDataParallel:
    """Shard on the CPU."""
    return FullyShardedDataParallel(module, device_id=torch.device('cpu'), **options)


def main() -> None:
    """Compare, on each rank."""
    dist.init_process_group('gloo')
    expected = build_table(build_model())
    assert build_table(DistributedDataParallel(build_model())) == expected
    model = build_model()
    model.backbone.blocks[0] = shard(model.backbone.blocks[0], use_orig_params=True)
    model.backbone = shard(model.backbone, use_orig_params=True)
    model = shard(model, use_orig_params=True)
    assert all(param.ndim == 1 for param in model.parameters()), 'shards are expected to be flat'
    assert build_table(model) == expected
    try:
        build_table(shard(build_model(), use_orig_params=False))
    except ValueError as error:
        assert 'use_orig_params=True' in str(error)
    else:
        raise AssertionError('one flat parameter for all was accepted')
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
