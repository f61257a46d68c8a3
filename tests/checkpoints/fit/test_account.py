import json

from mae_transfer.checkpoints.fit.account import LEFT_OVER, LoadAccount


def make_account() -> LoadAccount:
    account = LoadAccount('x.pth', 'BEiT', 'model', loaded=['a', 'b'], origins={'b': ['q', 'v']})
    account.fresh, account.unused = {'rel_pos': ['c']}, {'head': ['h']}
    account.facts = {'num_heads': (12, 'layout BEiT'), 'patch_size': (16, 16)}
    account.facts['patch_size'] = ((16, 16), "the file's tensors")
    return account


def test_load_account__each_tensor_of_the_encoder_once():
    account = make_account()
    account.let_pass = {'missing in the file': ['d'], LEFT_OVER: ['e']}
    account.resize('a', (1, 17), (1, 65), 'bicubic')
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
        'PretrainedViT: BEiT file x.pth: 2/3 encoder tensors; fresh by design: rel_pos 1; unused: '
        'head 1; LET PASS by allow_partial: missing in the file 1, without a place in the encoder 1'
    )


def test_load_account__two_steps_of_one_tensor():
    account = make_account()
    account.resize('a', (1, 3), (1, 4), 'channels')
    account.resize('a', (1, 4), (2, 4), 'patch')
    step = account.resized['a']
    assert (step.old, step.new, step.how) == ((1, 3), (2, 4), 'channels; patch')


def test_load_account__json_and_facts():
    account = make_account()
    content = json.loads(json.dumps(account.to_dict()))
    assert content['facts']['patch_size'] == {'value': [16, 16], 'by': "the file's tensors"}
    assert content['summary'] == account.summary() and content['container'] == 'model'
    assert account.facts_told() == 'PretrainedViT: attention heads 12 (layout BEiT)'
