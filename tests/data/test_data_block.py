"""The `data` block reaches every place that states something about the data."""

from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from mae_transfer.data.config_datasets import iter_datasets
from mae_transfer.data.data_block import apply_data_block

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


def read(name: str, **data) -> Config:
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    cfg.data = data
    return cfg


def test_apply_data_block__absent_or_empty_changes_nothing():
    for data in ({}, dict(root=None, train_ann=None)):
        cfg = read('tiny_mask_rcnn', **data)
        before = cfg.to_dict()
        assert apply_data_block(cfg) == []
        assert cfg.to_dict() == before


def test_apply_data_block__detection():
    cfg = read(
        'tiny_mask_rcnn',
        root='/d',
        train_ann='t.json',
        val_ann='/e/v.json',
        val_img='v',
        test_ann='x.json',
    )
    apply_data_block(cfg)
    places = {
        key.partition('_')[0]: (d.data_root, d.ann_file, d.data_prefix.img)
        for key, d in iter_datasets(cfg)
    }
    assert places == {
        'train': ('/d', 't.json', 'train2017/'),  # what is not given stays
        'val': ('/d', '/e/v.json', 'v'),
        'test': ('/d', 'x.json', 'v'),
    }
    assert (cfg.val_evaluator.ann_file, cfg.test_evaluator.ann_file) == ('/e/v.json', '/d/x.json')


def test_apply_data_block__root_alone_moves_the_evaluators_too():
    cfg = read('tiny_mask_rcnn', root='/d')
    apply_data_block(cfg)
    assert cfg.val_evaluator.ann_file == '/d/annotations/instances_val2017.json'


def test_apply_data_block__refuses_a_key_given_twice():
    cfg = read('tiny_mask_rcnn', train_ann='t.json')
    with pytest.raises(ValueError, match='train_dataloader.dataset.ann_file'):
        apply_data_block(cfg, given=['train_dataloader.dataset.ann_file'])


@pytest.mark.parametrize(
    'name, key', [('tiny_mask_rcnn', 'classes'), ('tiny_mae', 'train_ann'), ('tiny_upernet', 'rot')]
)
def test_apply_data_block__refuses_keys_of_other_tasks(name, key):
    with pytest.raises(ValueError, match=f'data.{key} is not a key'):
        apply_data_block(read(name, **{key: 'x'}))


@pytest.mark.parametrize(
    'text, block, expected',
    [
        ('road\nwall\n', dict(ignore_labels=[0]), dict(ignore_labels=[0], num_classes=2)),
        ('3 road\n1 wall\n', dict(ignore_labels=0), dict(ignore_labels=0, label_map={3: 0, 1: 1})),
        ('road\nwall\n', dict(label_map={'1': 0, '2': 1, '3': 1, '0': 'ignore'}),
         dict(ignore_labels=[], label_map={'1': 0, '2': 1, '3': 1, '0': 'ignore'})),
    ],
)  # fmt: skip
def test_apply_data_block__segmentation(tmp_path, text, block, expected):
    for folder, suffix in (('images/training', '.png'), ('annotations/training', '.png')):
        (tmp_path / folder).mkdir(parents=True)
        Image.new('L', (4, 3)).save(tmp_path / folder / f'a{suffix}')
    (tmp_path / 'classes.txt').write_text(text)
    cfg = read('tiny_upernet', root=str(tmp_path), classes='classes.txt', **block)
    apply_data_block(cfg)
    for _, dataset in iter_datasets(cfg):
        assert dataset.type == 'BaseSegDataset'
        assert dataset.metainfo.classes == ('road', 'wall')
        steps = [step.type for step in dataset.pipeline]
        assert steps.count('MapLabels') == 1
        step = dataset.pipeline[steps.index('LoadAnnotations') + 1]
        assert step.to_dict() == dict(type='MapLabels', **expected)
    assert cfg.train_dataloader.dataset.img_suffix == '.png'
    assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 2


def test_apply_data_block__stock_mmseg_config_loses_its_hidden_shift(tmp_path):
    (tmp_path / 'c.txt').write_text('road\n')
    cfg = Config(
        dict(
            default_scope='mmseg',
            data=dict(classes=str(tmp_path / 'c.txt'), ignore_labels=[0]),
            model=dict(decode_head=dict(num_classes=150)),
            train_dataloader=dict(
                dataset=dict(
                    type='ADE20KDataset',
                    data_root='x',
                    data_prefix=dict(img_path='i', seg_map_path='a'),
                    pipeline=[
                        dict(type='LoadAnnotations', reduce_zero_label=True),
                        dict(type='TestTimeAug', transforms=[[dict(type='LoadAnnotations')]]),
                    ],
                )
            ),
        )
    )
    apply_data_block(cfg)
    dataset = cfg.train_dataloader.dataset
    assert dataset.reduce_zero_label is False
    assert [step.type for step in dataset.pipeline] == [
        'LoadAnnotations',
        'MapLabels',
        'TestTimeAug',
    ]
    assert 'reduce_zero_label' not in dataset.pipeline[0]
    assert [step.type for step in dataset.pipeline[2].transforms[0]] == [
        'LoadAnnotations',
        'MapLabels',
    ]


def test_apply_data_block__label_map_beyond_the_class_file(tmp_path):
    (tmp_path / 'c.txt').write_text('road\n')
    cfg = read('tiny_upernet', classes=str(tmp_path / 'c.txt'), label_map={'1': 1})
    with pytest.raises(ValueError, match=r'maps to \[1\].*0 to 0'):
        apply_data_block(cfg)
    with pytest.raises(ValueError, match='need data.classes'):
        apply_data_block(read('tiny_upernet', ignore_labels=[0]))


def test_apply_data_block__unlabelled_pictures_for_pretraining(tmp_path):
    cfg = read('tiny_mae', root=str(tmp_path))
    apply_data_block(cfg)
    dataset = cfg.train_dataloader.dataset
    assert (dataset.type, dataset.data_root, dataset.with_label) == (
        'CustomDataset',
        str(tmp_path),
        False,
    )
    assert 'split' not in dataset


def test_apply_data_block__folders_of_classes(tmp_path):
    def config(**data) -> Config:
        dataset = dict(type='ImageNet', data_root='data/imagenet', pipeline=[])
        return Config(
            dict(
                default_scope='mmpretrain',
                data=dict(root=str(tmp_path), **data),
                data_preprocessor=dict(num_classes=1000),
                model=dict(
                    head=dict(num_classes=1000),
                    train_cfg=dict(augments=[dict(type='Mixup', num_classes=1000)]),
                ),
                train_dataloader=dict(dataset=dict(dataset, split='train')),
                val_dataloader=dict(dataset=dict(dataset, split='val')),
            )
        )

    for folder in ('train/cat', 'train/dog', 'val/cat', 'val/dog', 'other/cat'):
        (tmp_path / folder).mkdir(parents=True)
    cfg = config(train_img='train', val_img='val')
    apply_data_block(cfg)
    assert cfg.model.head.num_classes == cfg.data_preprocessor.num_classes == 2
    assert cfg.model.train_cfg.augments[0].num_classes == 2
    with pytest.raises(ValueError, match='different classes'):
        apply_data_block(config(train_img='train', val_img='other'))


def test_apply_data_block__few_classes_have_no_top_5(tmp_path):
    for name in ('train/a', 'train/b', 'val/a', 'val/b'):
        (tmp_path / name).mkdir(parents=True)
    loader = dict(dataset=dict(type='CustomDataset', data_root='data/x', data_prefix='train'))
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=dict(head=dict(type='LinearClsHead', num_classes=1000)),
            train_dataloader=loader,
            val_dataloader=loader,
            val_evaluator=dict(type='Accuracy', topk=(1, 5)),
            test_evaluator=[
                dict(type='Accuracy', topk=(1, 2)),
                dict(type='SingleLabelMetric'),
                dict(type='Accuracy', topk=(1, 2, 3)),
            ],
            data=dict(root=str(tmp_path), train_img='train', val_img='val'),
        )
    )
    lines = apply_data_block(cfg)
    assert tuple(cfg.val_evaluator.topk) == (1,)
    assert tuple(cfg.test_evaluator[0].topk) == tuple(cfg.test_evaluator[2].topk) == (1, 2)
    assert lines[-2:] == [
        'val_evaluator.topk (1, 5) -> (1,): there are no more classes',
        'test_evaluator.topk (1, 2, 3) -> (1, 2): there are no more classes',
    ]


def test_apply_data_block__class_weights_of_other_classes_are_dropped_and_told(tmp_path):
    (tmp_path / 'classes.txt').write_text('road\nsky\n')
    cfg = read('tiny_upernet', root=str(tmp_path), classes='classes.txt')
    cfg.model.decode_head.loss_decode.class_weight = [0.5] * 150
    cfg.model.auxiliary_head.loss_decode.class_weight = [2.0, 1.0]
    told = apply_data_block(cfg, given=['model.auxiliary_head.loss_decode.class_weight'])
    assert cfg.model.decode_head.loss_decode.class_weight is None
    assert cfg.model.auxiliary_head.loss_decode.class_weight == [2.0, 1.0]
    assert [line for line in told if 'class_weight' in line] == [
        'model.decode_head.loss_decode.class_weight is dropped: it was for other classes'
    ]


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg', 'mmpretrain', None])
def test_apply_data_block__share_of_bad_files_alone_changes_no_data(scope):
    data = dict(root=None, train_img=None, max_bad_share=0.05)
    cfg = Config(
        dict(default_scope=scope, train_dataloader=dict(dataset=dict(type='X')), data=data)
    )
    before = cfg.to_dict()
    assert apply_data_block(cfg, ['data.max_bad_share']) == ['data: max_bad_share=0.05']
    assert cfg.to_dict() == before


def test_apply_data_block__refuses_a_wrong_share_of_bad_files():
    cfg = Config(dict(default_scope='mmdet', data=dict(max_bad_share='few')))
    with pytest.raises(ValueError, match="data.max_bad_share='few': must be a number from 0"):
        apply_data_block(cfg)
