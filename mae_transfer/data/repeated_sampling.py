"""Count the samples of repeated sampling: several crops of each decoded picture in one batch.

Decoding is often slower than training on a quarter of the patches. With MMPretrain's ``MultiView``
a picture is decoded once and gives K samples, each with its own crop and its own mask (Hoffer et
al. 2019, https://arxiv.org/abs/1901.09335; with masks Feichtenhofer et al. 2022,
https://arxiv.org/abs/2205.09113):

* ``train_dataloader.batch_size`` counts decoded pictures, so a step trains on
  processes x batch_size x K x accumulation samples: the batch that the learning rate goes with;
* an epoch is one pass over the pictures, K samples of each: E epochs are as long as K * E epochs
  without repeats, in samples and in steps of the same number of samples.
"""

from collections.abc import MutableMapping

from mae_transfer.data.config_datasets import base_type, iter_datasets


def samples_per_picture(cfg: MutableMapping) -> int:
    """Number of samples that the training data make of each decoded picture.

    Args:
        cfg: The whole config.

    Returns:
        Views of the ``MultiView`` in the training pipeline; 1 without one.

    Raises:
        ValueError: If the data sets of a run give different numbers.
    """
    counts = {
        key: _views(dataset.get('pipeline') or [])
        for key, dataset in iter_datasets(cfg, ['train_dataloader'])
    }
    if len(set(counts.values())) > 1:
        listed = ', '.join(f'{key}: {count}' for key, count in counts.items())
        raise ValueError(
            f'MultiView: all data sets of a run must give the same number of views, not {listed}'
        )
    return next(iter(counts.values()), 1)


def _views(pipeline: list) -> int:
    """Samples that a pipeline makes of a picture."""
    samples = 1
    for step in pipeline:
        if base_type(step) == 'MultiView':
            views = step['num_views']
            samples *= views if isinstance(views, int) else sum(views)
    return samples
