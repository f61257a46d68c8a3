import torch

from mae_transfer.checkpoints.steps import Resized, Step, in_turn, resize_step


def test_in_turn__each_stage_gets_the_tensors_of_the_one_before():
    one, two = torch.ones(1), torch.ones(2)

    def add(tensors):
        return tensors | {'b': two}, [Step('added')]

    def drop(tensors):
        assert tensors.keys() == {'a', 'b'}
        return {'b': tensors['b']}, [Step('dropped'), Step(unused={'x': ['a']})]

    given = {'a': one}
    tensors, steps = in_turn(given, add, lambda tensors: (tensors, []), drop)
    assert tensors == {'b': two} and given == {'a': one}
    assert [step.words for step in steps] == ['added', 'dropped', '']


def test_resize_step__shapes_and_words():
    old, new = torch.zeros(1, 5, 4), torch.zeros(1, 10, 4)
    assert resize_step('t', old, new, 'bicubic').resized == {
        't': Resized((1, 5, 4), (1, 10, 4), 'bicubic')
    }
    step = resize_step('t', old, new, 't bicubic', 'bicubic')
    assert (step.words, step.resized['t'].how) == ('t bicubic', 'bicubic')
