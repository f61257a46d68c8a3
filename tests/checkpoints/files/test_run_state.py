import copy

import pytest
import torch
from mmengine.logging import HistoryBuffer

from mae_transfer.checkpoints.files.run_state import check_run_state

GOOD = dict(
    meta=dict(epoch=0, iter=3, seed=None),
    message_hub=dict(
        log_scalars={'train/loss': HistoryBuffer([1.0], [1])},
        runtime_info={'iter': 2},
        resumed_keys={'iter': True},
    ),
    optimizer=dict(state={0: {'step': torch.ones(1)}}, param_groups=[dict(params=[0], lr=0.1)]),
    param_schedulers=[dict(last_step=3)],
)


def test_check_run_state__good_ones():
    check_run_state(GOOD, 'x.pth')
    several = dict(a=GOOD['optimizer'], b=GOOD['optimizer'])
    check_run_state(GOOD | dict(optimizer=several, param_schedulers=dict(a=[], b=[{}])), 'x.pth')
    check_run_state({name: GOOD[name] for name in ('meta', 'message_hub')}, 'x.pth')


@pytest.mark.parametrize(
    'path, value, words',
    [
        ('meta', [1], 'no state of a run'),
        ('meta', {}, 'no state of a run.*load_from=FILE'),
        ('meta.iter', '3', r"meta\['iter'\] is '3', not a whole number from 0"),
        ('meta.iter', True, r"meta\['iter'\] is True"),
        ('meta.epoch', -1, r"meta\['epoch'\] is -1"),
        ('meta.seed', 2**32, r"meta\['seed'\] is 4294967296"),
        ('message_hub', None, 'message_hub is not a dict of log_scalars, runtime_info, resumed'),
        ('message_hub.log_scalars', [], 'message_hub is not a dict'),
        ('message_hub.log_scalars', {'a': 1.0}, r"\['log_scalars'\]\['a'\] is a float"),
        ('message_hub.runtime_info', {3: 1.0}, r"\['runtime_info'\]\[3\] is a float"),
        ('message_hub.resumed_keys', {'a': 'x'}, r"\['resumed_keys'\]\['a'\] is a str"),
        ('optimizer', 3, 'its optimizer is a int'),
        ('optimizer', {'a': 3}, 'its optimizer is a int'),
        ('optimizer.state', [], 'not a dict of a state by parameter'),
        ('optimizer.param_groups', [{}], "groups without 'params'"),
        ('param_schedulers', 3, 'not a list of dicts'),
        ('param_schedulers', {'a': [3]}, 'not a list of dicts'),
        ('param_schedulers', [{'step': 3}], "param_schedulers have an entry 'step'"),
        ('param_schedulers', [{'__class__': 3}], "an entry '__class__'"),
    ],
)
def test_check_run_state__bad_ones(path, value, words):
    content = copy.deepcopy(GOOD)
    *parents, name = path.split('.')
    place = content[parents[0]] if parents else content
    place[name] = value
    with pytest.raises(ValueError, match=f'x.pth cannot be resumed: .*{words}') as error:
        check_run_state(content, 'x.pth')
    assert '\n' not in str(error.value)
