"""The class names of a checkpoint and of the test data."""

import re
from types import SimpleNamespace

import pytest

from mae_transfer.hooks.same_classes import SameClassesHook


def refusal(trained, tested):
    """The error that the two lists of classes give; None if they pass."""
    dataset = SimpleNamespace(metainfo={} if tested is None else dict(classes=tested))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    content = {} if trained is None else dict(meta=dict(dataset_meta=dict(classes=trained)))
    runner = SimpleNamespace(test_loop=loop)
    try:
        SameClassesHook('x.pth').after_load_checkpoint(runner, content)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ('trained', 'tested'),
    [(('cat', 'dog'), ['cat', 'dog']), (None, ['cat']), (['cat'], None), (None, None)],
)
def test_same_classes__pass(trained, tested):
    assert refusal(trained, tested) is None


@pytest.mark.parametrize('tested', [['dog', 'cat'], ['cat'], ['cat', 'bird']])
def test_other_classes__are_refused(tested):
    words = refusal(('cat', 'dog'), tested) or ''
    assert re.search(r"x.pth was trained on classes .*\n.*'cat', 'dog'\]\n", words)
