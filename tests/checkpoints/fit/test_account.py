import json
from pathlib import Path

from mae_transfer.checkpoints.files.checkpoint_file import CheckpointFile
from mae_transfer.checkpoints.fit.account import LEFT_OVER, LoadAccount, account_of_load
from mae_transfer.checkpoints.layouts.table import layout_named
from mae_transfer.checkpoints.layouts.translate import EncoderTensors
from mae_transfer.checkpoints.steps import Resized, Step


def make_account(*steps: Step, loaded=('a', 'b')) -> LoadAccount:
    """Account of a file of BEiT's layout whose tensor ``b`` is made of two."""
    file = CheckpointFile(Path('x.pth'), 'model', {})
    origins = {'a': ['a'], 'b': ['q', 'v'], 'n': ['their_n']}
    found = EncoderTensors(layout_named('BEiT'), '', {}, origins, {'head': ['h']})
    facts = {'num_heads': (12, 'layout BEiT'), 'patch_size': ((16, 16), "the file's tensors")}
    return account_of_load(file, found, facts, steps, loaded)


def resized(name: str, old: tuple[int, ...], new: tuple[int, ...], words: str) -> Step:
    return Step(words, resized={name: Resized(old, new, words)})


def test_account_of_load__each_tensor_of_the_encoder_once():
    account = make_account(
        resized('a', (1, 17), (1, 65), 'bicubic'),
        Step(fresh={'rel_pos': ['c']}),
        Step(let_pass={'missing in the file': ['d'], LEFT_OVER: ['e']}),
    )
    assert account.encoder == {
        'a': {
            'status': 'resized',
            'from': ['a'],
            'file_shape': [1, 17],
            'shape': [1, 65],
            'how': 'bicubic',
        },
        'b': {'status': 'loaded', 'from': ['q', 'v']},
        'c': {'status': 'fresh', 'why': 'rel_pos'},
        'd': {'status': 'let pass', 'why': 'missing in the file'},
    }
    assert account.summary() == (
        'PretrainedViT: BEiT file x.pth: 2/3 encoder tensors; bicubic; fresh by design: rel_pos 1; '
        'unused: head 1; LET PASS by allow_partial: missing in the file 1, without a place in the '
        'encoder 1'
    )


def test_account_of_load__two_steps_of_one_tensor():
    account = make_account(
        resized('a', (1, 3), (1, 4), 'channels'), resized('a', (1, 4), (2, 4), 'patch')
    )
    one = account.resized['a']
    assert (one.old, one.new, one.how) == ((1, 3), (2, 4), 'channels; patch')
    assert account.changes == ['channels', 'patch']


def test_account_of_load__names_are_traced_to_those_of_the_file():
    """Through two steps; what is left out by our name is told by the file's."""
    account = make_account(
        Step('joined', made_of={'c': ['b', 'a']}),
        Step('spread', made_of={'d': ['c']}),
        Step(unused={'norm': ['n']}),
        Step(unused={'norm': ['m']}),
        loaded=['d'],
    )
    assert account.encoder['d']['from'] == ['q', 'v', 'a']
    assert account.unused == {'head': ['h'], 'norm': ['their_n', 'm']}


def test_load_account__json_and_facts():
    account = make_account()
    content = json.loads(json.dumps(account.to_dict()))
    assert content['facts']['patch_size'] == {'value': [16, 16], 'by': "the file's tensors"}
    assert content['summary'] == account.summary() and content['container'] == 'model'
    assert account.facts_told() == 'PretrainedViT: attention heads 12 (layout BEiT)'
