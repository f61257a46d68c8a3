"""Counting and listing bad files, and how many are too many."""

import pytest

from mae_transfer.data.bad_files import BadFiles, are_too_many, max_bad_share


@pytest.mark.parametrize(
    'cfg', [{}, dict(data=None), dict(data={}), dict(data=dict(root='x', max_bad_share=None))]
)
def test_max_bad_share__one_percent_by_default(cfg):
    assert max_bad_share(cfg) == 0.01


@pytest.mark.parametrize('share', [0, 0.0, 0.5, 0.999])
def test_max_bad_share__as_given(share):
    assert max_bad_share(dict(data=dict(max_bad_share=share))) == share


@pytest.mark.parametrize('share', [1, 1.0, -0.1, 5, '5%', True, [0.1], float('nan')])
def test_max_bad_share__refuses(share):
    with pytest.raises(ValueError, match=r'data.max_bad_share=.*must be a number from 0'):
        max_bad_share(dict(data=dict(max_bad_share=share)))


@pytest.mark.parametrize(
    ('bad', 'draws', 'samples', 'share', 'expected'),
    [
        (0, 100, 10, 0.0, False),
        (1, 1, 1000, 0.0, True),
        # Before one pass: 1 of 100 is expected, and up to 1 + 2 * 1 may be chance.
        (3, 100, 1000, 0.01, False),
        (4, 100, 1000, 0.01, True),
        # 2 of 40 pictures are broken: passes of 42 draws with two bad ones each.
        (2, 42, 40, 0.06, False),
        (4, 44, 40, 0.06, False),  # the second pass has begun with both of them
        (4, 84, 40, 0.06, False),
        (2, 42, 40, 0.01, True),
        (4, 80, 40, 0.04, True),
        (4, 80, 40, 0.05, False),  # not above the share
        (16, 42, 40, 0.1, True),
    ],
)
def test_are_too_many__by_hand(bad, draws, samples, share, expected):
    assert are_too_many(bad, draws, samples, share) == expected


def test_bad_files__each_file_once_whoever_met_it(tmp_path):
    path = tmp_path / 'new' / 'bad_files.txt'
    here, there = BadFiles(path), BadFiles(path)
    here.add('a.jpg', 'empty')
    there.add('b.jpg', 'cut off:\n2 bytes')
    there.add('a.jpg', 'empty')
    here.add('b.jpg', 'cut off')
    here.add('caf\udce9.jpg', 'missing')  # a name that is not valid UTF-8
    assert path.read_bytes() == b'a.jpg\tempty\nb.jpg\tcut off: 2 bytes\ncaf\xe9.jpg\tmissing\n'
    assert list(there.listed()) == ['a.jpg', 'b.jpg', 'caf\udce9.jpg']
    assert BadFiles(path).listed() == there.listed()


def test_bad_files__a_new_run_forgets(tmp_path):
    files = BadFiles(tmp_path / 'bad_files.txt')
    files.forget()
    files.add('a.jpg', 'empty')
    files.forget()
    assert files.listed() == {}
    files.add('a.jpg', 'empty')
    assert files.listed() == {'a.jpg': 'empty'}
