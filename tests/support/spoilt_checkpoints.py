"""Spoilt and hostile checkpoints of a small run, and the doors through which they come."""

import io
import os
import pickle
import traceback
import zipfile
from argparse import Namespace
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from torch import Tensor, nn
from torch.utils.data import Dataset

from mae_transfer.checkpoints.describe import describe_checkpoint
from mae_transfer.checkpoints.export.export import export_checkpoint
from mae_transfer.run import test, train
from mae_transfer.run.errors import run_tool
from tests.support.hostile_pickles import (
    RunsAShell,
    WithAttributes,
    WithState,
    WritesAFile,
    code_that_writes,
)


@MODELS.register_module()
class SmallEncoder(BaseModel):
    """A PlainViT that learns to output zero."""

    def __init__(self, backbone: dict) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.head = nn.Linear(16, 1)

    def forward(self, inputs: list[Tensor], mode: str = 'tensor') -> dict | list:
        x = self.head(self.backbone(torch.stack(list(inputs)))[0].mean((-2, -1)))
        return {'loss': x.square().mean()} if mode == 'loss' else list(x)


@DATASETS.register_module()
class Noise(Dataset):
    """Four pictures of noise."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(index)
        return dict(inputs=torch.rand(3, 16, 16, generator=generator))


@METRICS.register_module()
class MeanOutput(BaseMetric):
    """The mean output, to be zero."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += [float(sample) for sample in data_samples]

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {'mean': float(np.mean(results))}


def config(work_dir: Path, **options: Any) -> Config:
    """Config of a run of four steps with a checkpoint after each.

    Args:
        work_dir: Folder of the run.
        options: Further entries.
    """
    loader = dict(
        batch_size=2,
        num_workers=0,
        dataset=dict(type='Noise'),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    arch = dict(embed_dims=16, num_layers=1, num_heads=2)
    plain = dict(
        model=dict(
            type='SmallEncoder',
            backbone=dict(type='PlainViT', arch=arch, img_size=16, patch_size=8),
        ),
        train_dataloader=loader | dict(sampler=dict(type='InfiniteSampler', shuffle=True)),
        train_cfg=dict(type='AccumulatingIterTrainLoop', max_iters=4),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.001)),
        param_scheduler=[dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4)],
        test_dataloader=loader,
        test_cfg=dict(),
        test_evaluator=[dict(type='MeanOutput')],
        default_hooks=dict(
            checkpoint=dict(
                type='AtomicCheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=1
            ),
            logger=dict(type='LoggerHook', interval=1),
        ),
        custom_hooks=[dict(type='LoadAccountHook'), dict(type='EncoderMetadataHook')],
        work_dir=str(work_dir),
        log_level='ERROR',
        default_scope='mmengine',
    )
    return Config(plain | options)


def good_checkpoint(folder: Path) -> Path:
    """Train two steps; return the checkpoint."""
    with redirect_stdout(io.StringIO()):
        train(config(folder / 'good', train_cfg=dict(by_epoch=False, max_iters=2)))
    return folder / 'good/iter_2.pth'


def with_bytes(change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path, Path], None]:
    """Change the bytes of the file."""

    def spoil(path: Path, victim: Path) -> None:
        path.write_bytes(change(bytearray(path.read_bytes())))

    return spoil


def with_content(change: Callable[[dict, Path], Any]) -> Callable[[Path, Path], None]:
    """Change the content; the file is written anew, with right checksums."""

    def spoil(path: Path, victim: Path) -> None:
        content = torch.load(path, weights_only=False)
        changed = change(content, victim)
        torch.save(content if changed is None else changed, path)

    return spoil


def flipped(share: float) -> Callable[[Path, Path], None]:
    """Flip a bit at a share of the file's length."""

    def flip(data: bytearray) -> bytearray:
        data[int(share * len(data))] ^= 16
        return data

    return with_bytes(flip)


def flipped_in_directory(offset: int) -> Callable[[Path, Path], None]:
    """Flip a bit of the first entry of the archive's directory."""

    def flip(data: bytearray) -> bytearray:
        data[data.find(b'PK\x01\x02') + offset] ^= 1
        return data

    return with_bytes(flip)


def cut(share: float) -> Callable[[Path, Path], None]:
    """Keep a share of the file."""
    return with_bytes(lambda data: data[: int(share * len(data))])


def plain_pickle(content: Callable[[Path], Any]) -> Callable[[Path, Path], None]:
    """Write a pickle without torch's container."""

    def spoil(path: Path, victim: Path) -> None:
        path.write_bytes(pickle.dumps(content(victim), protocol=4))

    return spoil


def replaced_entry(name: str, data: Callable[[Path], bytes]) -> Callable[[Path, Path], None]:
    """Write the archive anew with another entry."""

    def spoil(path: Path, victim: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            entries = {n: archive.read(n) for n in archive.namelist()}
        with zipfile.ZipFile(path, 'w') as archive:
            for entry, old in entries.items():
                archive.writestr(entry, data(victim) if entry.endswith(name) else old)

    return spoil


def set_meta(**values: Any) -> Callable[[Path, Path], None]:
    """Change entries of meta."""
    return with_content(lambda content, victim: content['meta'].update(values))


def set_info(**values: Any) -> Callable[[Path, Path], None]:
    """Change entries of the message hub; '{victim}' stands for a file of others."""

    def fill(value: Any, victim: Path) -> Any:
        return value.replace('{victim}', str(victim)) if isinstance(value, str) else value

    def change(content: dict, victim: Path) -> None:
        info = content['message_hub']['runtime_info']
        for name, value in values.items():
            listed = isinstance(value, list)
            info[name] = [fill(v, victim) for v in value] if listed else fill(value, victim)

    return with_content(change)


def config_text(*where: str, wrap: Callable[[str], Any] = str) -> Callable[[Path, Path], None]:
    """Put the text of a config that writes a file into an entry."""

    def change(content: dict, victim: Path) -> None:
        for part in where[:-1]:
            content = content[part]
        content[where[-1]] = wrap(code_that_writes(pwned(victim)))

    return with_content(change)


def pwned(victim: Path) -> Path:
    """The file that hostile checkpoints would create."""
    return victim.with_name('PWNED')


def spoil_weights(value: float, name: str = 'backbone.norm.weight') -> Callable[[Path, Path], None]:
    """Put a number into a weight."""
    return with_content(
        lambda content, victim: content['state_dict'][name].view(-1)[:1].fill_(value)
    )


def spoil_moments(content: dict, victim: Path) -> None:
    """Spoil a moment of the optimizer."""
    content['optimizer']['state'][0]['exp_avg'].fill_(float('nan'))


def hostile_history(content: dict, victim: Path) -> None:
    """Replace functions of all buffers of the process, and of this one."""
    buffer = HistoryBuffer([1.0], [1])
    state = buffer.__getstate__() | {'statistics_methods': {'mean': slice}, 'mean': slice}
    content['message_hub']['log_scalars']['train/loss'] = WithState(HistoryBuffer, state)


def nested(depth: int) -> list:
    """A list in a list in a list."""
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


def in_itself() -> list:
    """A list that contains itself."""
    value: list = []
    value.append(value)
    return value


# What a file is -> how it is made of a good one, given a file that it must not touch.
SPOILT: dict[str, Callable[[Path, Path], None]] = {
    'empty': with_bytes(lambda data: b''),
    'text': with_bytes(lambda data: b'epoch 1 loss 0.3\n' * 20),
    'web page': with_bytes(lambda data: b'<!doctype html><html>404</html>'),
    'Git LFS pointer': with_bytes(lambda data: b'version https://git-lfs.github.com/spec/v1\noid'),
    'zeros': with_bytes(lambda data: bytes(len(data))),
    'cut to 10 bytes': with_bytes(lambda data: data[:10]),
    'cut to a quarter': cut(0.25),
    'cut to a half': cut(0.5),
    'cut to 99 %': cut(0.99),
    'without its last byte': with_bytes(lambda data: data[:-1]),
    'bit flipped at the start': flipped(0.0),
    'bit flipped in the structure': flipped(0.03),
    'bit flipped in a tensor': with_bytes(lambda data: flip_in_tensor(data)),
    'bit flipped in the directory: checksum': flipped_in_directory(16),
    'bit flipped in the directory: size': flipped_in_directory(24),
    'bit flipped in the directory: name': flipped_in_directory(50),
    'bit flipped in the directory: offset': flipped_in_directory(42),
    'bit flipped in the end record': with_bytes(
        lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:]
    ),
    'part overwritten by zeros': with_bytes(
        lambda data: data[: len(data) // 2] + bytes(4096) + data[len(data) // 2 + 4096 :]
    ),
    'foreign pickle': plain_pickle(lambda victim: {'model': [1, 2, 3]}),
    'pickle of a number': with_content(lambda content, victim: 3),
    'list': with_content(lambda content, victim: [1, 2]),
    'NaN in a weight': spoil_weights(float('nan')),
    'infinity in a weight': spoil_weights(float('inf')),
    'NaN in the head': spoil_weights(float('nan'), 'head.weight'),
    'NaN in a moment': with_content(spoil_moments),
    'iteration as text': set_meta(iter='3'),
    'negative epoch': set_meta(epoch=-1),
    'seed as text': set_meta(seed='x'),
    'meta is a list': with_content(lambda content, victim: content.update(meta=[1])),
    'no message hub': with_content(lambda content, victim: content.pop('message_hub') and None),
    'optimizer is a list': with_content(lambda content, victim: content.update(optimizer=[1])),
    'scheduler with a method': with_content(
        lambda content, victim: content['param_schedulers'][0].update(step=3)
    ),
    'nested too deep': set_meta(dataset_meta=nested(200)),
    'contains itself': set_meta(dataset_meta=in_itself()),
    'attributes hide methods': with_content(
        lambda content, victim: content.update(
            state_dict=WithAttributes(content['state_dict'], items=3, keys=3, _metadata=3)
        )
    ),
    'functions in a history': with_content(hostile_history),
    'command line with odd types': with_content(
        lambda content, victim: content.update(args=Namespace(norm_pix_loss=[1], mask_ratio={}))
    ),
    'config text in meta.config': config_text('meta', 'config'),
    'config bytes in meta.config': config_text('meta', 'config', wrap=str.encode),
    'config list in meta.config': config_text('meta', 'config', wrap=lambda text: [text]),
    'config text in meta.cfg': config_text('meta', 'cfg'),
    'config text in the hub': config_text('message_hub', 'runtime_info', 'cfg'),
    'config text everywhere': with_content(
        lambda content, victim: content['meta'].update(
            dict.fromkeys(
                ('config', 'cfg', 'experiment_name', 'time', 'mmengine_version', 'dataset_meta'),
                code_that_writes(pwned(victim)),
            )
        )
    ),
    'hostile pickle: open': with_content(
        lambda content, victim: content.update(extra=WritesAFile(pwned(victim)))
    ),
    'hostile pickle: shell': with_content(
        lambda content, victim: content.update(extra=RunsAShell(pwned(victim)))
    ),
    'hostile pickle without a container': plain_pickle(lambda victim: RunsAShell(pwned(victim))),
    'hostile data.pkl': replaced_entry(
        'data.pkl', lambda victim: pickle.dumps(RunsAShell(pwned(victim)), protocol=2)
    ),
    'hostile history': with_content(
        lambda content, victim: content['message_hub']['log_scalars'].update(
            x=WithState(HistoryBuffer, {'statistics_methods': {'mean': WritesAFile(pwned(victim))}})
        )
    ),
    'paths: best': set_info(best_ckpt='{victim}', best_score=-1.0, best_ckpt_mean='{victim}'),
    'paths: kept': set_info(keep_ckpt_ids=['/../../victim', '../victim', 1, 2]),
    'paths: extra': set_info(extra_ckpts=['{victim}', '../victim.pth'], last_ckpt='{victim}'),
}  # fmt: skip


def flip_in_tensor(data: bytearray) -> bytearray:
    """Flip a bit of the weights, which begin behind their entry's name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        biggest = max(archive.infolist(), key=lambda info: info.file_size)
    data[biggest.header_offset + 30 + len(biggest.filename) + biggest.file_size // 2] ^= 64
    return data


@dataclass
class Outcome:
    """What became of a file at a door.

    Attributes:
        sentence: What the user is told; None if the file was taken.
        bad: What must not happen, '' if nothing did.
    """

    sentence: str | None
    bad: str


def doors(work_dir: Path, path: Path) -> dict[str, Callable[[], object]]:
    """Return every way into the toolkit for a checkpoint.

    Args:
        work_dir: A new folder.
        path: The checkpoint.
    """
    name = str(path)
    short = dict(train_cfg=dict(by_epoch=False, max_iters=1))
    return {
        '--resume': lambda: train(config(work_dir), resume=name),
        'load_from': lambda: train(config(work_dir, load_from=name, **short)),
        '--pretrained': lambda: train(config(work_dir, **short), pretrained=name),
        'test': lambda: test(config(work_dir), name, work_dir=work_dir),
        'inspect': lambda: describe_checkpoint(name),
        'export': lambda: export_checkpoint(name, 'mae_transfer', str(work_dir / 'out.pth'), 'pth'),
    }


def try_door(door: str, spoil: Callable[[Path, Path], None], good: Path, folder: Path) -> Outcome:
    """Bring a spoilt file to a door as a tool does.

    Args:
        door: A key of :func:`doors`.
        spoil: A value of ``SPOILT``.
        good: The good checkpoint.
        folder: A new folder.
    """
    (folder / 'run').mkdir(parents=True)
    path, victim = folder / 'x.pth', folder / 'victim.pth'
    path.write_bytes(good.read_bytes())
    victim.write_bytes(b'precious')
    spoil(path, victim)
    before = path.read_bytes()
    printed, sentence, bad = io.StringIO(), None, []
    place = os.getcwd()
    try:
        os.chdir(folder)
        with redirect_stdout(io.StringIO()), redirect_stderr(printed):
            run_tool(doors(folder / 'run', path)[door])
    except SystemExit as stop:
        sentence = printed.getvalue().strip().split('\n')[-1]
        if stop.code != 2 or not sentence.startswith('error: '):
            bad.append(f'ended with {stop.code}: {sentence}')
    except Exception:
        bad.append('traceback: ' + traceback.format_exc().strip().split('\n')[-1])
    finally:
        os.chdir(place)
    if pwned(victim).exists():
        bad.append('code was run')
    if not victim.exists() or victim.read_bytes() != b'precious':
        bad.append('a file of others was changed')
    if not path.exists() or path.read_bytes() != before:
        bad.append('the checkpoint was changed')
    return Outcome(sentence, '; '.join(bad))
