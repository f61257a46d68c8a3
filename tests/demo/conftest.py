"""A comparison small enough for tests: eight scenes, narrow models, two iterations a run."""

from pathlib import Path

import pytest

from mae_transfer.demo.plans import Start
from mae_transfer.demo.scenes import make_scenes
from tests.support.tools import CONFIGS

FOUR_BLOCKS = 'model = dict(backbone=dict(arch=dict(num_layers=4)))'  # as tiny_upernet
TOKENIZER = dict(
    type='DiscreteVAE',
    head=dict(type='SquaredErrorLikelihood'),
    num_codes=8,
    embed_dims=4,
    hidden_dims=8,
    num_layers=4,
    num_blocks=1,
)
TARGET = dict(
    _delete_=True,
    type='TokenTarget',
    tokenizer=TOKENIZER,
    checkpoint='',
    image_mean=[123.675, 116.28, 103.53],
    image_std=[58.395, 57.12, 57.375],
)


@pytest.fixture(scope='session')
def scenes(tmp_path_factory) -> Path:
    """A demo set of a few pictures."""
    counts = dict(pretrain=4, train=4, val=3, classify_train=0, classify_val=0)
    root = tmp_path_factory.mktemp('demo') / 'scenes'
    return make_scenes(root, counts=counts, processes=1, progress=False)


@pytest.fixture
def configs(tmp_path, scenes) -> dict[str, str]:
    """The tiny configs with data, as files of their own: a plan takes no options."""
    pictures = dict(type='CustomDataset', data_root=f'{scenes}/unlabelled', with_label=False)
    hooks = "[dict(type='EncoderMetadataHook'), dict(type='ReconstructionHook', num_images=2)]"
    texts = {
        'mae': f"""
            _base_ = '{CONFIGS}/tiny_mae.py'
            train_dataloader = dict(dataset=dict(_delete_=True, pipeline=[
                dict(type='LoadImageFromFile'), dict(type='RandomResizedCrop', scale=64),
                dict(type='PackInputs')], **{pictures}))
            custom_hooks = {hooks}
            {FOUR_BLOCKS}
            """,
        'tokenizer': f"""
            _base_ = '{CONFIGS}/tiny_mae.py'
            pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=64),
                dict(type='PackInputs')]
            model = dict(_delete_=True, **{TOKENIZER})
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
            _base_ = '{tmp_path}/mae.py'
            custom_hooks = [dict(type='EncoderMetadataHook')]
            model = dict(neck=dict(out_dims=8), head=dict(type='TokenLoss'),
                target_generator=dict(**{TARGET}))
            """,
        'detection': f"""
            _base_ = '{CONFIGS}/tiny_mask_rcnn.py'
            data = dict(root='{scenes}', train_ann='annotations/instances_train.json',
                        train_img='images/training', val_ann='annotations/instances_val.json',
                        val_img='images/validation')
            test_pipeline = [
                dict(type='LoadImageFromFile'),
                dict(type='Resize', scale=(64, 64), keep_ratio=True),
                dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
                dict(type='PackDetInputs', meta_keys=(
                    'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]
            val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
            test_dataloader = val_dataloader
            {FOUR_BLOCKS}
            """,
        'segmentation': f"""
            _base_ = '{CONFIGS}/tiny_upernet.py'
            data = dict(root='{scenes}', classes='classes.txt')
            """,
    }
    for name, text in texts.items():
        lines = [line.removeprefix(' ' * 12) for line in text.splitlines()]
        (tmp_path / f'{name}.py').write_text('\n'.join(lines))
    return {name: str(tmp_path / f'{name}.py') for name in texts}


@pytest.fixture
def starts(configs) -> dict[str, Start]:
    """Random weights, MAE, and the tokens of a tokenizer that is trained first."""
    tasks = {task: configs[task] for task in ('detection', 'segmentation')}
    return {
        'random': Start({'detection': tasks['detection']}),
        'MAE': Start(tasks, configs['mae']),
        'tokens': Start(
            {'segmentation': tasks['segmentation']},
            configs['mae_tokens'],
            'pretrain-tokens',
            configs['tokenizer'],
        ),
    }
