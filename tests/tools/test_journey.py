"""Both journeys through the tools: pre-training, transfer to both tasks, evaluation, comparison."""

import json
import re
from pathlib import Path

import pytest
import torch

from mae_transfer.demo import journey
from mae_transfer.demo.results import read_results, write_results
from tests.support.tools import CONFIGS


def write_configs(folder: Path, coco: Path, masks: Path) -> dict[str, str]:
    """The tiny configs with data, as files of their own: a plan takes no options."""
    pictures = dict(type='CustomDataset', data_root=str(coco / 'train'), with_label=False)
    hooks = "[dict(type='EncoderMetadataHook'), dict(type='ReconstructionHook', num_images=2)]"
    four_blocks = 'model = dict(backbone=dict(arch=dict(num_layers=4)))'  # as tiny_upernet
    tokenizer = dict(
        type='DiscreteVAE',
        head=dict(type='SquaredErrorLikelihood'),
        num_codes=8,
        embed_dims=4,
        hidden_dims=8,
        num_layers=4,
        num_blocks=1,
    )
    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    target = dict(type='TokenTarget', tokenizer=tokenizer, checkpoint='', image_mean=mean)
    target |= dict(image_std=std, _delete_=True)
    texts = {
        'mae': f"""
            _base_ = '{CONFIGS}/tiny_mae.py'
            train_dataloader = dict(dataset=dict(_delete_=True, pipeline=[
                dict(type='LoadImageFromFile'), dict(type='RandomResizedCrop', scale=64),
                dict(type='PackInputs')], **{pictures}))
            custom_hooks = {hooks}
            {four_blocks}
            """,
        'tokenizer': f"""
            _base_ = '{CONFIGS}/tiny_mae.py'
            pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=64),
                dict(type='PackInputs')]
            model = dict(_delete_=True, **{tokenizer})
            train_dataloader = dict(dataset=dict(_delete_=True, pipeline=pipeline, **{pictures}))
            val_dataloader = dict(batch_size=2, num_workers=0,
                collate_fn=dict(type='default_collate'),
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(pipeline=pipeline, **{pictures}))
            custom_hooks = []
            val_cfg = dict(type='ValLoop')
            val_evaluator = dict(type='TokenizerMetric', num_codes=8)
            train_cfg = dict(val_interval=2)
            """,
        'mae_tokens': f"""
            _base_ = '{folder}/mae.py'
            custom_hooks = [dict(type='EncoderMetadataHook')]
            model = dict(neck=dict(out_dims=8), head=dict(type='TokenLoss'),
                target_generator=dict(**{target}))
            """,
        'detection': f"""
            _base_ = '{CONFIGS}/tiny_mask_rcnn.py'
            data = dict(root='{coco}', train_ann='train.json', train_img='train',
                        val_ann='val.json', val_img='val')
            {four_blocks}
            """,
        'segmentation': f"""
            _base_ = '{CONFIGS}/tiny_upernet.py'
            data = dict(root='{masks}', classes='classes.txt', ignore_labels=0)
            """,
    }
    for name, text in texts.items():
        lines = [line.removeprefix(' ' * 12) for line in text.splitlines()]
        (folder / f'{name}.py').write_text('\n'.join(lines))
    return {name: str(folder / f'{name}.py') for name in texts}


@pytest.mark.slow
def test_journey__pretrain_transfer_evaluate_and_go_on(tmp_path, coco_folder, mask_folder, capsys):
    configs = write_configs(tmp_path, coco_folder, mask_folder)
    mae, tokenizer, tokens = (configs.pop(name) for name in ('mae', 'tokenizer', 'mae_tokens'))
    segmentation = {'segmentation': configs['segmentation']}
    starts = {
        'random': journey.Start(configs),
        'MAE': journey.Start(configs, mae),
        'tokens': journey.Start(segmentation, tokens, 'pretrain-tokens', tokenizer),
    }
    plan = journey.Plan(tmp_path / 'run', starts, seeds=[3], pictures=1)
    records = journey.Journey(plan).run()

    assert [(r['task'], r['init'], r['seed'], r['iterations']) for r in records] == [
        ('detection', 'MAE', 3, 2),
        ('segmentation', 'MAE', 3, 2),
        ('detection', 'random', 3, 2),
        ('segmentation', 'random', 3, 2),
        ('segmentation', 'tokens', 3, 2),
    ]
    assert {'box_AP', 'mask_AP'} <= records[0].keys() and 'mIoU' in records[1]
    write_results(tmp_path / 'results.json', records)
    assert read_results(tmp_path / 'results.json') == records

    seed = plan.root / 'seed-3'
    assert (seed / 'pretrain/reconstructions/iter_2.png').is_file()
    judged = json.loads((seed / 'tokenizer/metrics.json').read_text())['metrics']
    assert judged['mean_picture_MSE'] > 0 and 0 < judged['codes_used'] <= 100
    told = (seed / 'pretrain-tokens/train/output.log').read_text()
    assert re.search(r'PretrainedTokenizer: checkpoint .*tokenizer/iter_2\.pth: (\d+)/\1 ', told)
    names = torch.load(seed / 'pretrain-tokens/iter_2.pth', weights_only=False)['state_dict']
    assert [name for name in names if name.startswith('target_generator')] == [
        'target_generator.fingerprint'
    ]
    for task in configs:
        assert len(list((seed / f'{task}-mae/predictions').glob('*.png'))) == 1
        told = (seed / f'{task}-mae/train/output.log').read_text()
        account = re.search(r'PretrainedViT: .*?(\d+)/(\d+) encoder tensors', told)
        assert account and account[1] == account[2] != '0'
        assert 'encoder tensors' not in (seed / f'{task}-random/train/output.log').read_text()
    pretrained = torch.load(seed / 'pretrain/iter_2.pth', weights_only=False)['state_dict']
    name = 'backbone.blocks.0.attn.qkv.weight'
    moved = {}
    for init in ('mae', 'random'):
        state = torch.load(seed / f'detection-{init}/iter_2.pth', weights_only=False)['state_dict']
        moved[init] = (state[name] - pretrained[name]).abs().max()
    assert moved['mae'] < 1e-2 < moved['random']

    # A second call runs nothing; a step that did not end is run again.
    capsys.readouterr()
    assert journey.Journey(plan).run() == records
    assert capsys.readouterr().out.count('done before') == 14
    (seed / 'segmentation-mae/evaluation/done.json').unlink()
    assert journey.Journey(plan).run() == records
    assert capsys.readouterr().out.count('done before') == 13


def test_journey__a_failing_step_tells_the_end_of_its_output(tmp_path):
    starts = {'MAE': journey.Start({}, 'configs/no_such_config.py')}
    plan = journey.Plan(tmp_path, starts, seeds=[0], jobs=1)
    with pytest.raises(RuntimeError, match=r'(?s)pre-training, MAE, seed 0 failed.*no_such_config'):
        journey.Journey(plan).pretrain('MAE', 0)
    assert not list(tmp_path.rglob('done.json'))


def encoder_state(width: int) -> dict:
    """An encoder of the tiny configs, of the given width, as the MAE code saves it."""
    from mae_transfer.backbones import PlainViT

    arch = dict(embed_dims=width, num_layers=2, num_heads=2, mlp_ratio=2)
    return PlainViT(arch, img_size=64, patch_size=16).state_dict()


@pytest.mark.parametrize(
    'content, words',
    [
        ({'model': encoder_state(48)}, ['48', '32']),
        ({'model': {f'wrong.{k}': v for k, v in encoder_state(32).items()}}, ['wrong.']),
        ({}, ['spoilt.pth']),
    ],
    ids=['another width', 'corrupted prefix', 'empty dict'],
)
def test_train__spoilt_checkpoint_stops_before_the_first_iteration(
    run_main, tmp_path, coco_options, content, words
):
    torch.save(content, tmp_path / 'spoilt.pth')
    code, out, err = run_main(
        'train',
        CONFIGS / 'tiny_mask_rcnn.py',
        *('--pretrained', tmp_path / 'spoilt.pth', '--work-dir', tmp_path / 'work'),
        *('--cfg-options', *coco_options),
    )
    assert code == 2
    assert all(word in err for word in words), err
    assert 'Iter(train)' not in out + err and not list(tmp_path.glob('work/*.pth'))
