"""Class names and `num_classes` from COCO files, and what is refused."""

import json

import pytest
from mmengine.config import Config

from mae_transfer.data.coco_classes import set_coco_classes
from mae_transfer.data.config_datasets import resolve_data_roots

CATEGORIES = [dict(id=9, name='plate'), dict(id=4, name='door')]


def write_coco(path, categories=CATEGORIES, count=2, **annotation) -> None:
    images = [dict(id=i, file_name=f'{i}.png', width=40, height=30) for i in range(count)]
    base = dict(
        category_id=categories[0]['id'] if categories else 1,
        bbox=[10, 5, 20, 12],
        area=240,
        iscrowd=0,
        segmentation=[[10, 5, 30, 5, 30, 17]],
    )
    annotations = [dict(base, id=i, image_id=i) | annotation for i in range(count)]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))


@pytest.fixture
def cfg(tmp_path) -> Config:
    """A cascade over wrapped data sets of the same two classes, ids with gaps and unsorted."""
    for split in ('train', 'val'):
        (tmp_path / split).mkdir()
        for i in range(2):
            (tmp_path / split / f'{i}.png').touch()
        write_coco(tmp_path / f'{split}.json')

    def dataset(split: str) -> dict:
        return dict(type='mmdet.CocoDataset', data_root=str(tmp_path), ann_file=f'{split}.json',
                    data_prefix=dict(img=split))  # fmt: skip

    head = dict(type='Shared2FCBBoxHead', num_classes=80)
    return Config(
        dict(
            model=dict(
                backbone=dict(type='ResNet', num_classes=1000),
                rpn_head=dict(type='RPNHead'),
                roi_head=dict(
                    bbox_head=[dict(head) for _ in range(3)],
                    mask_head=dict(num_classes=80),
                    semantic_head=dict(num_classes=183),
                ),
            ),
            train_dataloader=dict(
                dataset=dict(type='RepeatDataset', times=2, dataset=dataset('train'))
            ),
            val_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[dataset('val')])),
            test_dataloader=None,
            val_evaluator=dict(type='CocoMetric', ann_file=str(tmp_path / 'val.json')),
        )
    )


def test_set_coco_classes__everywhere_they_occur(cfg):
    lines = set_coco_classes(cfg)
    roi_head = cfg.model.roi_head
    assert [head.num_classes for head in roi_head.bbox_head] == [2, 2, 2]
    assert roi_head.mask_head.num_classes == 2
    assert roi_head.semantic_head.num_classes == 183
    assert cfg.model.backbone.num_classes == 1000
    assert cfg.train_dataloader.dataset.dataset.metainfo.classes == ('plate', 'door')
    assert cfg.val_dataloader.dataset.datasets[0].metainfo.classes == ('plate', 'door')
    assert any('plate, door' in line for line in lines)
    assert any('model.roi_head.bbox_head.1.num_classes 80 -> 2' in line for line in lines)


def test_set_coco_classes__labels_of_mmdet_match_the_names(cfg):
    """Labels follow the order of the file, not of the ids: 0 is id 9, 'plate', 1 is id 4."""
    from mmdet.datasets import CocoDataset

    set_coco_classes(cfg)
    args = cfg.train_dataloader.dataset.dataset.to_dict()
    args.pop('type')
    dataset = CocoDataset(**args, pipeline=[])
    assert dataset.cat2label == {9: 0, 4: 1}
    assert dataset.metainfo['classes'][dataset[0]['instances'][0]['bbox_label']] == 'plate'


def test_set_coco_classes__coco_itself_stays_what_it_was(cfg, tmp_path):
    from mmdet.datasets import CocoDataset

    names = CocoDataset.METAINFO['classes']
    for split in ('train', 'val'):
        write_coco(
            tmp_path / f'{split}.json', [dict(id=i + 1, name=n) for i, n in enumerate(names)]
        )
    before = cfg.model.to_dict()
    set_coco_classes(cfg)
    assert cfg.model.to_dict() == before
    assert cfg.train_dataloader.dataset.dataset.metainfo == dict(classes=names)


def test_set_coco_classes__a_part_of_the_classes_in_order_is_a_choice(cfg, tmp_path):
    for _, dataset in (
        ('', cfg.train_dataloader.dataset.dataset),
        ('', cfg.val_dataloader.dataset.datasets[0]),
    ):
        dataset.metainfo = dict(classes=('door',))
    set_coco_classes(cfg)
    assert cfg.model.roi_head.mask_head.num_classes == 1


@pytest.mark.parametrize('classes', [('door', 'plate'), ('plate', 'window')])
def test_set_coco_classes__names_that_are_not_in_the_file(cfg, classes):
    cfg.train_dataloader.dataset.dataset.metainfo = dict(classes=classes)
    with pytest.raises(ValueError, match=r"metainfo.classes(.|\n)*\['plate', 'door'\]"):
        set_coco_classes(cfg)


@pytest.mark.parametrize(
    'categories', [CATEGORIES[::-1], [dict(id=9, name='plate'), dict(id=4, name='Door')]]
)
def test_set_coco_classes__training_and_validation_disagree(cfg, tmp_path, categories):
    write_coco(tmp_path / 'val.json', categories)
    with pytest.raises(ValueError, match=r"disagree(.|\n)*\['plate', 'door'\]\n"):
        set_coco_classes(cfg)


@pytest.mark.parametrize(
    'bbox', [[0, 0, 40, 30], [30, 20, 10, 10], [-1, -1, 42, 32], [35, 2, 5, 3]]
)
def test_check__boxes_of_a_wide_image_may_reach_its_border(cfg, tmp_path, bbox):
    """40 x 30 pixels, and one more to every side."""
    write_coco(tmp_path / 'train.json', bbox=bbox)
    assert not any('leave their image' in line for line in set_coco_classes(cfg))


@pytest.mark.parametrize(
    'bbox', [[-2, 5, 20, 12], [10, -2, 20, 12], [22, 5, 20, 12], [10, 20, 20, 12]]
)
def test_check__boxes_that_leave_the_image_on_one_side(cfg, tmp_path, bbox):
    write_coco(tmp_path / 'train.json', bbox=bbox)
    with pytest.raises(ValueError, match='boxes leave their image'):
        set_coco_classes(cfg)


def test_check__a_few_boxes_that_leave_the_image_are_told(cfg, tmp_path):
    """One of eleven is below a tenth; a side beyond the image is no corner."""
    write_coco(tmp_path / 'train.json', count=11)
    for i in range(11):
        (tmp_path / 'train' / f'{i}.png').touch()
    coco = json.loads((tmp_path / 'train.json').read_text())
    coco['annotations'][3]['bbox'] = [10, 5, 60, 28]
    (tmp_path / 'train.json').write_text(json.dumps(coco))
    assert any('1 of 11 boxes leave their image' in line for line in set_coco_classes(cfg))
    coco['annotations'][4]['bbox'] = [10, 5, 60, 28]
    (tmp_path / 'train.json').write_text(json.dumps(coco))
    with pytest.raises(ValueError, match='2 of 11 boxes') as error:
        set_coco_classes(cfg)
    assert 'look like' not in str(error.value)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(bbox=[10, 5, 38, 28]), 'look like'),  # corners
        (dict(bbox=[30, 20, 20, 20]), 'boxes leave their image'),
        (dict(bbox=[1, 2, 3]), 'no bbox of 4 numbers'),
        (dict(category_id=1), r'category_id 1, but categories has only the ids \[4, 9\]'),
        (dict(image_id=77), 'image_id 77'),
        (dict(categories=[]), 'at least one'),
        (dict(categories=[dict(id=1, name='a'), dict(id=2, name='a')]), 'distinct'),
    ],
)
def test_check__refuses_a_file_that_cannot_be_right(cfg, tmp_path, change, message):
    write_coco(tmp_path / 'train.json', **change)
    with pytest.raises(ValueError, match=message):
        set_coco_classes(cfg)


def test_check__a_mask_head_needs_masks(cfg, tmp_path):
    coco = json.loads((tmp_path / 'train.json').read_text())
    del coco['annotations'][1]['segmentation']
    (tmp_path / 'train.json').write_text(json.dumps(coco))
    with pytest.raises(ValueError, match='annotation 1 has no segmentation'):
        set_coco_classes(cfg)
    del cfg.model.roi_head['mask_head']
    set_coco_classes(cfg)


@pytest.mark.parametrize(
    'text, message',
    [
        ('{', 'valid json'),
        ('[]', 'no images'),
        ('{"images": []}', 'no annotations and no categories'),
    ],
)
def test_check__is_no_coco_file(cfg, tmp_path, text, message):
    (tmp_path / 'train.json').write_text(text)
    with pytest.raises(ValueError, match=message):
        set_coco_classes(cfg)


def test_check__files_that_do_not_exist(cfg, tmp_path):
    (tmp_path / 'train' / '1.png').unlink()
    set_coco_classes(cfg)  # training replaces it
    (tmp_path / 'train' / '0.png').unlink()
    with pytest.raises(FileNotFoundError, match="names the image '0.png'.*data.train_img"):
        set_coco_classes(cfg)
    (tmp_path / 'train' / '0.png').touch()
    (tmp_path / 'val' / '1.png').unlink()
    with pytest.raises(FileNotFoundError, match="names the image '1.png'.*data.val_img"):
        set_coco_classes(cfg)
    (tmp_path / 'train.json').unlink()
    with pytest.raises(
        FileNotFoundError, match='train_dataloader.dataset.dataset.ann_file: there is no file'
    ):
        set_coco_classes(cfg)


def test_check__one_stray_box_among_many_is_a_note(cfg, tmp_path):
    for i in range(20):
        (tmp_path / 'train' / f'{i}.png').touch()
    write_coco(tmp_path / 'train.json', count=20)
    coco = json.loads((tmp_path / 'train.json').read_text())
    coco['annotations'][0]['bbox'] = [30, 20, 15, 15]
    (tmp_path / 'train.json').write_text(json.dumps(coco))
    assert any('1 of 20 boxes leave their image' in line for line in set_coco_classes(cfg))


def test_check__evaluator_of_another_file(cfg, tmp_path):
    cfg.val_evaluator.ann_file = str(tmp_path / 'train.json')
    with pytest.raises(ValueError, match='val_evaluator.ann_file'):
        set_coco_classes(cfg)
    set_coco_classes(cfg, ['train_dataloader'])


def test_resolve_data_roots__here_first_then_in_the_checkout(tmp_path, monkeypatch):
    here, checkout = tmp_path / 'here', tmp_path / 'checkout'
    (checkout / 'data').mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    (checkout / 'data' / 'val.json').touch()
    cfg = dict(
        train_dataloader=dict(dataset=dict(type='X', data_root='data')),
        val_evaluator=[dict(type='CocoMetric', ann_file='data/val.json'), dict(type='IoUMetric')],
    )
    with pytest.raises(FileNotFoundError, match=r"train_dataloader.dataset.data_root='data'"):
        resolve_data_roots(cfg)
    resolve_data_roots(cfg, fallback=str(checkout))
    assert cfg['train_dataloader']['dataset']['data_root'] == str(checkout / 'data')
    assert cfg['val_evaluator'][0]['ann_file'] == str(checkout / 'data' / 'val.json')
    cfg['train_dataloader']['dataset']['data_root'] = 'data'
    (here / 'data').mkdir()
    resolve_data_roots(cfg, fallback=str(checkout))
    assert cfg['train_dataloader']['dataset']['data_root'] == 'data'
