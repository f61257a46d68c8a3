"""The class names of a checkpoint and of the test data."""

from types import SimpleNamespace

import pytest

from mae_transfer.hooks.same_classes import SameClassesHook


def compare(trained, tested):
    dataset = SimpleNamespace(metainfo={} if tested is None else dict(classes=tested))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    content = {} if trained is None else dict(meta=dict(dataset_meta=dict(classes=trained)))
    runner = SimpleNamespace(test_loop=loop)
    SameClassesHook('x.pth').after_load_checkpoint(runner, content)


@pytest.mark.parametrize(
    ('trained', 'tested'),
    [(('cat', 'dog'), ['cat', 'dog']), (None, ['cat']), (['cat'], None), (None, None)],
)
def test_same_classes__pass(trained, tested):
    compare(trained, tested)


@pytest.mark.parametrize('tested', [['dog', 'cat'], ['cat'], ['cat', 'bird']])
def test_other_classes__are_refused(tested):
    with pytest.raises(ValueError, match=r"x.pth was trained on classes .*\n.*'cat', 'dog'\]\n"):
        compare(('cat', 'dog'), tested)
