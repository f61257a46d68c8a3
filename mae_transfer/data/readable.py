"""Draws another sample in place of one whose picture or mask cannot be read."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from mae_transfer.data.bad_files import FILE, BadFiles
from mae_transfer.data.guarded_loading import guard_loading, guard_steps
from mae_transfer.data.picture_files import UnreadableFile

TRIES = 100  # in a row, for one sample


class ReadableDataset(Dataset):
    """A data set that replaces what it cannot read, and otherwise passes for the one inside.

    The index of a replacement is drawn from NumPy's global random state: where that is seeded for
    each sample, so are the replacements. What is not the fault of a file stays an error.

    Args:
        dataset: A data set or its config. Its loading steps are guarded in place.
        bad_files: Path of the list of bad files.
        workers: Workers of the data loader.
    """

    _dataset: Any
    bad_files: BadFiles

    def __init__(self, dataset: object, bad_files: str | os.PathLike, workers: int = 0) -> None:
        self._dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.bad_files = BadFiles(bad_files, workers)
        guard_loading(self._dataset)

    def __getattr__(self, name: str) -> object:
        if name == '_dataset' or name.startswith('__'):  # such as __getitems__, which is not ours
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute of the data set inside: hooks exchange its pipeline during training."""
        if name in ('_dataset', 'bad_files'):
            super().__setattr__(name, value)
        else:
            setattr(self._dataset, name, value)
            guard_steps(value)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> object:
        """Return a sample, or another one if a file of it cannot be read.

        Raises:
            ValueError: None of many samples in a row can be read.
        """
        for _ in range(TRIES):
            try:
                sample = self._dataset[index]
            except UnreadableFile as error:
                unreadable = error
                self.bad_files.add(error.path, error.reason)
                self.bad_files.count(bad=True)
                index = int(np.random.randint(len(self)))
            else:
                self.bad_files.count(bad=False)
                return sample
        raise ValueError(
            f'{TRIES} draws in a row (100 %) cannot be read, the last one for {unreadable.path} '
            f'({unreadable.reason}); {self.bad_files.path} lists them: repair these files, or set '
            'data.root or the data set in the config to files that can be read'
        )


def readable(dataloader: dict, work_dir: str | os.PathLike) -> dict:
    """Let a data loader replace what it cannot read.

    Args:
        dataloader: Its config; it is not changed.
        work_dir: Folder of the run, for the list of bad files.
    """
    dataset = dict(
        type=ReadableDataset,
        dataset=dataloader['dataset'],
        bad_files=str(Path(work_dir, FILE)),
        workers=dataloader.get('num_workers', 0),
    )
    return {**dataloader, 'dataset': dataset}
