"""Find the data sets that a config names, their pipelines and their files."""

import os
from collections.abc import Iterable, Iterator, MutableMapping

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def base_type(cfg: MutableMapping) -> str:
    """Class name of a config dict without its scope: 'mmdet.CocoDataset' -> 'CocoDataset'."""
    kind = cfg.get('type', '')
    name = kind if isinstance(kind, str) else kind.__name__
    return name.rpartition('.')[2]


def iter_datasets(
    cfg: MutableMapping, loaders: Iterable[str] = LOADERS
) -> Iterator[tuple[str, dict]]:
    """Yield (dotted key, data set config) of each data set, looking through wrappers.

    Args:
        cfg: The whole config.
        loaders: Which data loaders to look at; one that is absent or None yields nothing.
    """
    for loader in loaders:
        if cfg.get(loader):
            yield from _unwrap(f'{loader}.dataset', cfg[loader]['dataset'])


def _unwrap(key: str, dataset: dict) -> Iterator[tuple[str, dict]]:
    """Look through wrappers: RepeatDataset, say, holds `dataset`, and ConcatDataset `datasets`."""
    if 'dataset' in dataset:
        yield from _unwrap(f'{key}.dataset', dataset['dataset'])
    elif 'datasets' in dataset:
        for i, part in enumerate(dataset['datasets']):
            yield from _unwrap(f'{key}.datasets.{i}', part)
    else:
        yield key, dataset


def iter_evaluators(cfg: MutableMapping, stage: str) -> list[dict]:
    """Evaluators of a stage, 'val' or 'test', that read an annotation file themselves.

    A config holds one evaluator or a list of them.
    """
    evaluator = cfg.get(f'{stage}_evaluator') or []
    evaluators = evaluator if isinstance(evaluator, list | tuple) else [evaluator]
    return [one for one in evaluators if one.get('ann_file')]


def iter_pipelines(dataset: dict) -> Iterator[list]:
    """Yield every list of transforms of a data set, also those nested inside a transform."""
    pending = [dataset.get('pipeline') or []]
    while pending:
        steps = pending.pop()
        yield steps
        for step in steps:
            inner = step.get('transforms', []) if isinstance(step, dict) else step
            if isinstance(inner, list | tuple) and inner:
                pending.append(inner)


def data_path(dataset: MutableMapping, relative: str | None) -> str:
    """Path below the data set's `data_root`; an absolute path or a URL stays as it is."""
    relative = relative or ''
    if '://' in relative:
        return relative
    return os.path.join(dataset.get('data_root') or '', relative)


def resolve_data_roots(
    cfg: MutableMapping, loaders: Iterable[str] = LOADERS, fallback: str | None = None
) -> None:
    """Check that every data folder exists, before anything is built.

    A relative `data_root` is looked up from the current folder, as everywhere in OpenMMLab, and
    then from ``fallback``, so that a tool that is started elsewhere still finds the checkout's
    `data/`.

    Args:
        cfg: The whole config, changed in place.
        loaders: Which data loaders the run uses.
        fallback: Second folder to look in, usually the root of the checkout.

    Raises:
        FileNotFoundError: A `data_root` lies in neither folder; names the config key.
    """
    places = ['', *([fallback] if fallback else [])]
    for key, dataset in iter_datasets(cfg, loaders):
        root = dataset.get('data_root')
        if not root or '://' in root:
            continue
        found = [path for place in places if os.path.isdir(path := os.path.join(place, root))]
        if not found:
            looked = ' or '.join(dict.fromkeys(os.path.abspath(place or '.') for place in places))
            raise FileNotFoundError(
                f'{key}.data_root={root!r} is not a folder (in {looked}): put the data there, '
                'or say where they are with --cfg-options data.root=FOLDER'
            )
        dataset['data_root'] = found[0]
    for stage in ('val', 'test'):  # an evaluator follows its data set
        for evaluator in iter_evaluators(cfg, stage):
            name = evaluator['ann_file']
            found = [path for place in places if os.path.isfile(path := os.path.join(place, name))]
            evaluator['ann_file'] = found[0] if found else name
