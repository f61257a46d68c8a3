"""Writes a step into a folder from which it can be run again, and reads it without foreign code."""

import importlib
import io
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mae_transfer.compat.pickle_names import NUMPY_NAMES
from mae_transfer.compat.safe_load import read_torch

BATCH, STATES, WEIGHTS = 'batch.pth', 'random_states.pth', 'weights.pth'
CONFIG, INCIDENT = 'config.py', 'incident.json'

# What data loaders of the frameworks put into a batch. They hold data and run nothing when loaded.
DATA_CLASSES = (
    'mmdet.structures.det_data_sample.DetDataSample',
    'mmdet.structures.bbox.horizontal_boxes.HorizontalBoxes',
    'mmdet.structures.mask.structures.BitmapMasks',
    'mmdet.structures.mask.structures.PolygonMasks',
    'mmengine.structures.base_data_element.BaseDataElement',
    'mmengine.structures.instance_data.InstanceData',
    'mmengine.structures.label_data.LabelData',
    'mmengine.structures.pixel_data.PixelData',
    'mmpretrain.structures.data_sample.DataSample',
    'mmseg.structures.seg_data_sample.SegDataSample',
)


@dataclass(frozen=True)
class Bundle:
    """A step that was kept.

    Attributes:
        folder: Where it is.
        config: Config of its run.
        incident: What was known about it.
        parts: A batch for each forward pass.
        random_states: See ``random_states`` of the kept step.
        weights: The model's weights, None if they were not finite and therefore not kept.
    """

    folder: Path
    config: Config
    incident: dict
    parts: list
    random_states: dict
    weights: dict | None


def pack(parts: list, states: dict) -> dict[str, bytes]:
    """Turn the batch and the random states of a step into the content of files."""
    return {BATCH: _packed(parts), STATES: _packed(states)}


def _packed(content: Any) -> bytes:
    """Return the content of a file of torch.save, which hides why it cannot write to a disk."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def write_bundle(
    folder: Path, files: dict[str, bytes], weights: dict | None, config: Config, incident: dict
) -> None:
    """Write a bundle, which is complete or absent.

    Args:
        folder: The folder to make.
        files: See :func:`pack`.
        weights: The weights of the model, if they are finite.
        config: Config of the run.
        incident: What is known about the step.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    unfinished = folder.with_name(f'.{folder.name}.tmp')
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for name, content in files.items():
            (unfinished / name).write_bytes(content)
        if weights is not None:
            (unfinished / WEIGHTS).write_bytes(_packed(weights))
        (unfinished / CONFIG).write_text(config.pretty_text, encoding='utf-8')
        (unfinished / INCIDENT).write_text(json.dumps(incident, indent=2), encoding='utf-8')
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle. Its config is a program and is run; nothing else in it is.

    Raises:
        FileNotFoundError: The folder is no bundle.
        ValueError: A file is damaged, or contains objects of classes that are not known here.
    """
    needed = (BATCH, STATES, CONFIG, INCIDENT)
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f'{str(folder)!r} is not the folder of a kept step: it has no {", ".join(missing)}'
        )
    return Bundle(
        folder,
        Config.fromfile(folder / CONFIG),
        json.loads((folder / INCIDENT).read_text(encoding='utf-8')),
        _read(folder / BATCH, _data_classes()),
        _read(folder / STATES),
        _read(folder / WEIGHTS) if (folder / WEIGHTS).is_file() else None,
    )


def _read(path: Path, classes: Sequence[tuple[Any, str]] = ()) -> Any:
    try:
        return read_torch(path, classes, trust=False)
    except ValueError as error:
        raise ValueError(
            f'{path} is damaged, or contains objects other than tensors and samples of '
            'MMDetection, MMSegmentation and MMPretrain: it is not read, as that could run code'
        ) from error


def _data_classes() -> list[tuple[Any, str]]:
    """List the known classes, of the frameworks that are in use, with their names in pickles."""
    classes = []
    for path in DATA_CLASSES:
        module, _, name = path.rpartition('.')
        if module.partition('.')[0] in sys.modules:
            classes.append((getattr(importlib.import_module(module), name), path))
    arrays = [(value, name) for name, value in NUMPY_NAMES.items()]
    return [*classes, *arrays, (_no_bytes, 'builtins.bytes')]


def _no_bytes() -> bytes:
    """Replace ``bytes``, which a file needs only for an array without content: it takes no size."""
    return b''
