"""Program of one rank: train replicated, sharded and resumed, and compare.

Started by torchrun in ``tests/optim/test_fully_shard.py``; its argument is a folder to work in.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS, RUNNERS
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils.data import Dataset

from mae_transfer.compat.distributed import use_cpu_model_wrapper
from mae_transfer.loops.accumulation import count_steps


@MODELS.register_module()
class Brightness(BaseModel):
    """Guess the mean of each channel of a picture; draws no random numbers."""

    def __init__(self, backbone: dict) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.head = nn.Linear(self.backbone.embed_dims, 3)

    def forward(self, inputs: list[Tensor], mode: str) -> dict[str, Tensor]:
        images = torch.stack(list(inputs))
        (features,) = self.backbone(images)
        error = self.head(features).float() - images.mean((2, 3))
        return {'loss': error.square().mean()}


@DATASETS.register_module()
class Pictures(Dataset):
    """16 random pictures of 32 x 32 pixels."""

    def __init__(self) -> None:
        self.images = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=self.images[index])


def config(work_dir: Path, **changes) -> Config:
    """Six steps of two pictures a process, with layer decay, warm-up and clipped gradients."""
    cfg = Config(
        dict(
            default_scope='mmengine',
            model=dict(
                type='Brightness',
                backbone=dict(
                    type='PlainViT',
                    arch=dict(embed_dims=16, num_layers=3, num_heads=2, mlp_ratio=2),
                    img_size=32,
                    patch_size=8,
                    out_type='avg',
                    qkv_bias='no-key',  # a key's bias has no gradient but noise
                ),
            ),
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                dataset=dict(type='Pictures'),
                sampler=dict(type='InfiniteSampler', shuffle=True),
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=6),
            optim_wrapper=dict(
                type='OptimWrapper',
                optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.05),
                constructor='LayerDecayOptimWrapperConstructor',
                paramwise_cfg=dict(layer_decay_rate=0.7, no_decay=('1d',)),
                clip_grad=dict(max_norm=0.5),
            ),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2),
                dict(type='CosineAnnealingLR', T_max=4, by_epoch=False, begin=2, end=6),
            ],
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3),
                logger=dict(type='LoggerHook', interval=1),
            ),
            custom_hooks=[dict(type='EncoderMetadataHook')],
            env_cfg=dict(dist_cfg=dict(backend='gloo')),
            launcher='pytorch',
            log_level='ERROR',
            randomness=dict(seed=0),
            work_dir=str(work_dir),
            experiment_name=work_dir.name,
        )
    )
    cfg.merge_from_dict(changes)
    return cfg


SHARDED = dict(runner_type='FlexibleRunner', strategy=dict(type='FullyShardStrategy'))


def train(cfg: Config) -> tuple[torch.nn.Module, list[float]]:
    """Train as tools/train.py does; return the model and the loss of each step."""
    count_steps(cfg)
    use_cpu_model_wrapper(cfg)
    runner = RUNNERS.get(cfg.get('runner_type', 'Runner')).from_cfg(cfg)
    runner.train()
    dist.barrier()
    return runner.model, runner.message_hub.log_scalars['train/loss'].data[0].tolist()


def whole(work_dir: Path) -> dict:
    """The last checkpoint of a run."""
    return torch.load(work_dir / 'iter_6.pth', weights_only=False)


def assert_same(one: object, other: object, where: str = '') -> None:
    """Compare two checkpoints, tensor by tensor."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f'{where}.{key}')
    elif isinstance(one, list | tuple):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f'{where}.{i}')
    elif isinstance(one, Tensor):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6, msg=lambda m: f'{where}: {m}')
    else:
        assert one == other, where


def main(folder: Path) -> None:
    """Compare, on each rank."""
    dist.init_process_group('gloo')
    _, replicated = train(config(folder / 'replicated'))
    model, sharded = train(config(folder / 'sharded', **SHARDED))
    torch.testing.assert_close(torch.tensor(sharded), torch.tensor(replicated))
    assert len(sharded) == 6

    # Spread: each process holds about half. Names and class are those of the plain model.
    assert isinstance(model, Brightness)
    parameters = list(model.parameters())
    assert all(isinstance(parameter, DTensor) for parameter in parameters)
    held = sum(parameter.to_local().numel() for parameter in parameters)
    assert held < 0.6 * sum(parameter.numel() for parameter in parameters)

    # A checkpoint is whole and in the format of an ordinary run.
    one, other = whole(folder / 'replicated'), whole(folder / 'sharded')
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_same(one[key], other[key], key)
    assert other['meta']['mae_transfer'] == one['meta']['mae_transfer']

    # Resumed in the middle: from its own checkpoint, and from that of the replicated run.
    for source in ('sharded', 'replicated'):
        start = str(folder / source / 'iter_3.pth')
        name = f'resumed-{source}'
        cfg = config(folder / name, resume=True, load_from=start, **SHARDED)
        _, resumed = train(cfg)
        torch.testing.assert_close(torch.tensor(resumed[3:]), torch.tensor(sharded[3:]))
        assert_same(other['state_dict'], whole(folder / name)['state_dict'], source)
        assert_same(other['optimizer'], whole(folder / name)['optimizer'], source)
    # The replicated run goes on from the sharded one.
    start = str(folder / 'sharded' / 'iter_3.pth')
    _, resumed = train(config(folder / 'unsharded', resume=True, load_from=start))
    torch.testing.assert_close(torch.tensor(resumed[3:]), torch.tensor(sharded[3:]))

    # Mixed precision and accumulation: two pictures a process in two passes.
    mixed = {'optim_wrapper.type': 'AutocastOptimWrapper', 'optim_wrapper.accumulative_counts': 2}
    mixed |= {'train_dataloader.batch_size': 1, 'strategy.param_dtype': 'bfloat16'}
    _, losses = train(config(folder / 'mixed', **SHARDED, **mixed))
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(sharded), rtol=0.1, atol=0.01)
    dist.destroy_process_group()


if __name__ == '__main__':
    main(Path(sys.argv[1]))
