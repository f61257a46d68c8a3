"""The command lines ask for what the functions take, nothing more and nothing less."""

import inspect

import pytest

from mae_transfer.run import test as run_test
from mae_transfer.run import train as run_train
from tests.support.tools import load_tool

# What belongs to the command line alone: how errors look, and another thing to do than to train.
OWN = {'debug', 'local_rank', 'print_param_groups'}


@pytest.mark.parametrize(
    'name, function, arguments',
    [('train', run_train, ['c.py']), ('test', run_test, ['c.py', 'x.pth'])],
)
def test_command_line__is_the_signature_of_the_function(name, function, arguments, monkeypatch):
    monkeypatch.setattr('sys.argv', [name, *arguments])
    asked = vars(load_tool(name).parse_args())
    signature = inspect.signature(function).parameters
    assert asked.keys() - OWN == signature.keys()
    for key, parameter in signature.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            # An empty list or dict on the command line is the function's () or None.
            assert (asked[key] or None) == (parameter.default or None) or key == 'launcher'
    assert asked['launcher'] == signature['launcher'].default


def test_command_line__of_train_refuses_two_lengths(monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['train', 'c.py', '--iters', '3', '--epochs', '1'])
    with pytest.raises(SystemExit):
        load_tool('train').parse_args()
    assert 'not allowed with argument' in capsys.readouterr().err


@pytest.mark.parametrize('value', ['a={"b": [1, 2]}', 'a', 'a=[1,(2]'])
def test_command_line__names_the_option_that_is_no_key_and_value(monkeypatch, capsys, value):
    monkeypatch.setattr('sys.argv', ['train', 'c.py', '--cfg-options', 'x=1', value])
    with pytest.raises(SystemExit) as stop:
        load_tool('train').parse_args()
    assert stop.value.code == 2
    assert f'error: --cfg-options {value!r}: must be KEY=VALUE' in capsys.readouterr().err


def test_command_line__collects_options(monkeypatch):
    words = ['--cfg-options', 'x=1', 'y=[1,2]', '--cfg-options', 'z=a=b']
    monkeypatch.setattr('sys.argv', ['train', 'c.py', *words])
    assert load_tool('train').parse_args().cfg_options == {'x': 1, 'y': [1, 2], 'z': 'a=b'}
