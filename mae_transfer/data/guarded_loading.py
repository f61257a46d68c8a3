"""Makes the loading steps of a data set name the file that they cannot read.

Whatever a loading step raises, a picture that is cut off or a mask of another size becomes an
`UnreadableFile`. Only the file can be to blame for that: an error with a file that can be decoded,
such as a wrong option of the step, stays as it is.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, LoadAnnotations, LoadImageFromFile
from mmengine.dataset import Compose

from mae_transfer.data.picture_files import (
    UnreadableFile,
    is_local,
    why_broken,
    why_no_mask,
    why_undecodable,
)

PICTURE, MASK = 'img_path', 'seg_map_path'


class GuardedStep(BaseTransform):
    """A loading step whose errors name the broken file.

    It has the attributes of the step.

    Args:
        step: A transform that reads files, named in ``results`` under keys that end in '_path'.
    """

    def __init__(self, step: BaseTransform) -> None:
        self.step = step

    def __getattr__(self, name: str) -> object:
        if name == 'step' or name.startswith('__'):  # not there yet while this is unpickled
            raise AttributeError(name)
        return getattr(self.step, name)

    @property
    def stored_in(self) -> dict | None:
        """How the step reaches a store of objects; None for files of this machine."""
        named = (getattr(self.step, name, None) for name in ('backend_args', 'file_client_args'))
        return next(filter(None, named), None)

    def transform(self, results: dict) -> dict | list | tuple | None:
        """Run the step.

        Raises:
            UnreadableFile: A file of the step is missing, empty, cut off, no picture or, of a mask,
                of another size than its picture.
        """
        key = read_key(self.step)
        backend_args = self.stored_in
        paths = _paths(results, key)
        for path in paths:
            if is_local(path, backend_args) and (reason := why_broken(path)):
                raise UnreadableFile(path, reason)
        try:
            loaded = self.step(results)
        except Exception as error:
            for path in paths:
                if reason := why_undecodable(path, self.step.imdecode_backend, backend_args):
                    raise UnreadableFile(path, reason) from error
            if key is None and not isinstance(self.step, LoadAnnotations):
                _blame_absent_file(results, backend_args)
            raise
        if key == MASK and isinstance(mask := results.get('gt_seg_map'), np.ndarray):
            if reason := why_no_mask(mask, results.get('ori_shape')):
                raise UnreadableFile(paths[0], reason)
        return loaded

    def __repr__(self) -> str:
        return repr(self.step)


def read_key(step: BaseTransform) -> str | None:
    """Key of ``results`` that names the pictures or the mask that a step decodes; None for others.

    A class with a ``transform`` of its own may read arrays of NumPy, or DICOM.
    """
    if type(step).transform is LoadImageFromFile.transform:
        return PICTURE
    if isinstance(step, LoadAnnotations) and step.with_seg:
        return MASK
    return None


def _paths(results: dict, key: str | None) -> list[str]:
    """Paths under a key of a sample."""
    path = results.get(key) if key else None
    return [str(path)] if path else []


def _blame_absent_file(results: dict, backend_args: dict | None) -> None:
    """Raise an error if a file of a sample, whatever its format, is missing or empty."""
    for name in results:
        if not str(name).endswith('_path'):
            continue
        for path in results[name] if isinstance(results[name], list) else _paths(results, name):
            if not is_local(path, backend_args):
                continue
            if not os.path.exists(path):
                raise UnreadableFile(path, 'missing')
            if os.path.getsize(path) == 0:
                raise UnreadableFile(path, 'empty')


def guard_loading(dataset: object) -> None:
    """Guard every loading step of a data set, inside wrappers and nested transforms, once.

    A step reads files if the name of its class begins with 'Load', as OpenMMLab names them. One
    with ``ignore_empty`` stays as it is: it leaves out what it cannot read by itself.

    Args:
        dataset: A built data set; its pipelines are changed in place.
    """
    for part in iter_parts(dataset):
        guard_steps(getattr(part, 'pipeline', None))


def iter_parts(dataset: object) -> Iterator[Any]:
    """Yield a data set and those that it wraps."""
    yield dataset
    attributes = vars(dataset) if hasattr(dataset, '__dict__') else {}
    inner = [attributes.get(name) for name in ('dataset', '_dataset')]
    for part in [*inner, *(attributes.get('datasets') or [])]:
        if part is not None:
            yield from iter_parts(part)


def guard_steps(node: object) -> None:
    """Guard the loading steps of a list of transforms, or inside a transform or ``Compose``."""
    if isinstance(node, list):
        for i, step in enumerate(node):
            if _reads_files(step):
                node[i] = GuardedStep(step)
            else:
                guard_steps(step)
    elif isinstance(node, BaseTransform | Compose) and not isinstance(node, GuardedStep):
        for value in vars(node).values():
            guard_steps(value)


def _reads_files(step: object) -> bool:
    return (
        isinstance(step, BaseTransform)
        and type(step).__name__.startswith('Load')
        and not getattr(step, 'ignore_empty', False)
    )


def iter_guarded(node: object) -> Iterator[GuardedStep]:
    """Yield the guarded steps of a pipeline."""
    if isinstance(node, GuardedStep):
        yield node
    elif isinstance(node, list):
        for step in node:
            yield from iter_guarded(step)
    elif isinstance(node, BaseTransform | Compose):
        for value in vars(node).values():
            yield from iter_guarded(value)
