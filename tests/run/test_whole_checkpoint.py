"""An evaluation refuses a checkpoint of other classes than the test data's."""

from types import SimpleNamespace

import pytest

from mae_transfer.run.test import _load_whole_checkpoint


def load(trained: object, tested: object) -> None:
    dataset = SimpleNamespace(metainfo={} if tested is None else dict(classes=tested))
    meta = {} if trained is None else dict(dataset_meta=dict(classes=trained))
    runner = SimpleNamespace(
        load_checkpoint=lambda path: dict(meta=meta),
        test_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset)),
    )
    _load_whole_checkpoint(runner, 'x.pth')


@pytest.mark.parametrize(
    ('trained', 'tested'),
    [(('a', 'b'), ['a', 'b']), (None, ('a',)), (('a',), None), (None, None)],
)
def test_load_whole_checkpoint__of_the_same_or_unknown_classes(trained, tested):
    load(trained, tested)


@pytest.mark.parametrize('tested', [('b', 'a'), ('a',), ('a', 'c')])
def test_load_whole_checkpoint__of_other_classes_or_another_order(tested):
    with pytest.raises(ValueError, match='classes that differ'):
        load(('a', 'b'), tested)
