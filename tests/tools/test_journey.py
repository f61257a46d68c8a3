"""Both journeys through the tools: pre-training, transfer to both tasks, evaluation, comparison."""

import re
from pathlib import Path

import pytest
import torch

from mae_transfer.report.results import read_results, write_results
from tests.tools.conftest import CONFIGS, load_tool


def write_configs(folder: Path, coco: Path, masks: Path) -> dict[str, str]:
    """The tiny configs with data, as files of their own: a plan takes no options."""
    pictures = dict(type='CustomDataset', data_root=str(coco / 'train'), with_label=False)
    hooks = "[dict(type='EncoderMetadataHook'), dict(type='ReconstructionHook', num_images=2)]"
    four_blocks = 'model = dict(backbone=dict(arch=dict(num_layers=4)))'  # as tiny_upernet
    texts = {
        'mae': f"""
            _base_ = '{CONFIGS}/tiny_mae.py'
            train_dataloader = dict(dataset=dict(_delete_=True, pipeline=[
                dict(type='LoadImageFromFile'), dict(type='RandomResizedCrop', scale=64),
                dict(type='PackInputs')], **{pictures}))
            custom_hooks = {hooks}
            {four_blocks}
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
    journey = load_tool('journey')
    configs = write_configs(tmp_path, coco_folder, mask_folder)
    pretrain_config = configs.pop('mae')
    plan = journey.Plan(tmp_path / 'run', pretrain_config, configs, seeds=[3], pictures=1)
    records = journey.Journey(plan).run()

    assert [(r['task'], r['init'], r['seed'], r['iterations']) for r in records] == [
        ('detection', 'MAE', 3, 2),
        ('segmentation', 'MAE', 3, 2),
        ('detection', 'random', 3, 2),
        ('segmentation', 'random', 3, 2),
    ]
    assert {'box_AP', 'mask_AP'} <= records[0].keys() and 'mIoU' in records[1]
    write_results(tmp_path / 'results.json', records)
    assert read_results(tmp_path / 'results.json') == records

    seed = plan.root / 'seed-3'
    assert (seed / 'pretrain/reconstructions/iter_2.png').is_file()
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
    assert capsys.readouterr().out.count('done before') == 9
    (seed / 'segmentation-mae/evaluation/done.json').unlink()
    assert journey.Journey(plan).run() == records
    assert capsys.readouterr().out.count('done before') == 8


def test_journey__a_failing_step_tells_the_end_of_its_output(tmp_path):
    journey = load_tool('journey')
    plan = journey.Plan(tmp_path, 'configs/no_such_config.py', {}, seeds=[0], jobs=1)
    with pytest.raises(RuntimeError, match=r'(?s)pre-training, seed 0 failed.*no_such_config'):
        journey.Journey(plan).pretrain(0)
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
