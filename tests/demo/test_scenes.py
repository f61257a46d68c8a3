"""The embedded demo set: scenes obey their description, files agree with scenes, made once."""

import hashlib
import json
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from faster_coco_eval import COCO as FasterCOCO
from pycocotools.coco import COCO

from mae_transfer.demo import scenes
from mae_transfer.demo.scene_render import (
    _read_photograph,
    _turn_hue,
    digit_pool,
    photograph_files,
    photograph_region,
)
from mae_transfer.demo.scene_writers import CLASS_FOLDERS
from mae_transfer.demo.scenes import CLASSES, SPLITS, SceneConfig, make_scenes, render_scene

WIDE = SceneConfig(picture_size=(72, 96), object_size=(24, 48))  # H != W
COUNTS = dict(pretrain=4, train=6, val=5, classify_train=11, classify_val=10)


def contents(root: Path) -> dict[str, str]:
    """Hash of every file below a folder by its relative path."""
    files = sorted(path for path in root.rglob('*') if path.is_file())
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope='module')
def demo(tmp_path_factory) -> Path:
    """One small set, made once; tests must not write to it."""
    root = tmp_path_factory.mktemp('demo') / 'scenes'
    return make_scenes(root, WIDE, COUNTS, processes=1, progress=False)


@pytest.fixture
def own_demo(demo, tmp_path) -> Path:
    """A copy of the small set that a test may change."""
    return Path(shutil.copytree(demo, tmp_path / 'scenes'))


# One scene


@pytest.mark.parametrize('split', SPLITS)
def test_scene__same_arguments_same_arrays(split):
    first, second = (render_scene(WIDE, split, 3) for _ in range(2))
    for name in ('image', 'masks', 'full_masks', 'labels', 'boxes', 'digit_ids'):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.image.shape == (72, 96, 3) and first.image.dtype == np.uint8
    assert first.masks.shape == (len(first.labels), 72, 96) and first.masks.dtype == bool


def test_scene__visible_masks_by_a_naive_loop():
    """A pixel belongs to the last object that covers it."""
    for index in range(6):
        scene = render_scene(WIDE, 'train', index)
        owner = np.full((72, 96), -1)
        for i, full in enumerate(scene.full_masks):
            for y in range(72):
                for x in range(96):
                    if full[y, x]:
                        owner[y, x] = i
        for i, mask in enumerate(scene.masks):
            np.testing.assert_array_equal(mask, owner == i)
        labels = np.append(scene.labels + 1, 0)  # owner -1 is background
        np.testing.assert_array_equal(scene.label_map, labels[owner])


def test_scene__boxes_are_tight_by_a_naive_loop():
    for index in range(10):
        scene = render_scene(WIDE, 'val', index)
        for mask, box in zip(scene.masks, scene.boxes, strict=True):
            pixels = [(x, y) for y in range(72) for x in range(96) if mask[y, x]]
            xs, ys = zip(*pixels, strict=True)
            assert box.tolist() == [min(xs), min(ys), max(xs) + 1, max(ys) + 1]


@pytest.mark.parametrize('min_visible', [0.35, 0.8])
def test_scene__enough_of_each_object_is_visible(min_visible):
    config = replace(WIDE, objects_per_picture=(4, 4), min_visible=min_visible)
    shares = []
    for index in range(25):
        scene = render_scene(config, 'pretrain', index)
        shares += (scene.masks.sum((1, 2)) / scene.full_masks.sum((1, 2))).tolist()
    assert min(shares) >= min_visible
    assert min(shares) < 1  # objects do overlap


def test_scene__objects_have_the_asked_size_and_lie_inside():
    """The longer side of an unoccluded box is within the range, up to the rounding to pixels."""
    config = replace(WIDE, object_size=(40, 44), objects_per_picture=(1, 1))
    sides = []
    for index in range(40):
        (x1, y1, x2, y2) = render_scene(config, 'train', index).boxes[0]
        sides.append(max(x2 - x1, y2 - y1))
        assert x1 >= 0 and y1 >= 0 and x2 <= 96 and y2 <= 72
    assert 38 <= min(sides) and max(sides) <= 46
    assert len(set(sides)) > 2


def test_scene__number_of_objects_spans_its_range():
    config = replace(WIDE, objects_per_picture=(2, 3), min_visible=0.05)
    numbers = Counter(len(render_scene(config, 'train', i).labels) for i in range(30))
    assert set(numbers) == {2, 3}


def test_scene__classes_are_even():
    """About 380 objects, 38 per class: four standard deviations (5.8) to either side."""
    config = replace(WIDE, objects_per_picture=(4, 4))
    labels = [render_scene(config, 'pretrain', i).labels for i in range(95)]
    counts = np.bincount(np.concatenate(labels), minlength=10)
    expected = counts.sum() / 10
    assert np.abs(counts - expected).max() < 4 * np.sqrt(expected * 0.9)


def test_scene__classify_splits_hold_one_digit_in_turn():
    for split in ('classify_train', 'classify_val'):
        labels = [render_scene(WIDE, split, i).labels.tolist() for i in range(12)]
        assert labels == [[i % 10] for i in range(12)]


def test_scene__no_picture_twice_within_and_across_splits():
    pictures = [render_scene(WIDE, s, i).image.tobytes() for s in SPLITS for i in range(20)]
    assert len(set(pictures)) == len(pictures)


def test_scene__splits_have_their_own_random_streams():
    """The first digit's class is drawn in the same way in all splits, yet differs between them."""
    first = {
        split: tuple(int(render_scene(WIDE, split, i).labels[0]) for i in range(12))
        for split in ('pretrain', 'train', 'val')
    }
    assert len(set(first.values())) == 3


def test_scene__another_seed_gives_other_pictures():
    first, second = render_scene(WIDE, 'val', 0), render_scene(replace(WIDE, seed=1), 'val', 0)
    assert not np.array_equal(first.image, second.image)


def test_scene__objects_differ_from_what_they_cover():
    """Without texture, light and noise: one color, ``contrast`` away from what is below."""
    config = replace(
        WIDE,
        texture_mix=0,
        contrast=(0.4, 0.4),
        shadow=0,
        edge_width=0.1,
        lighting=0,
        noise=0,
        objects_per_picture=(1, 1),
    )
    for index in range(10):
        scene = render_scene(config, 'train', index)
        core = cv2.erode(scene.masks[0].astype(np.uint8), np.ones((3, 3))) > 0
        assert np.ptp(scene.image[core].astype(int), axis=0).max() <= 1
        # Contrast 0 paints the same digit in the mean color of the ground.
        ground = render_scene(replace(config, contrast=(0, 0)), 'train', index)
        np.testing.assert_array_equal(ground.masks, scene.masks)
        step = np.abs(scene.image[core][0].astype(int) - ground.image[core][0].astype(int)).max()
        assert abs(step - 0.4 * 255) <= 1.5


def test_scene__turned_hue_keeps_grey_and_cycles_channels():
    image = np.array([[[10.0, 20.0, 60.0], [30.0, 30.0, 30.0]]], np.float32)
    np.testing.assert_allclose(_turn_hue(image, 0), image, rtol=1e-5)
    turned = _turn_hue(image, 120)  # a third of a turn: red -> green -> blue -> red
    np.testing.assert_allclose(turned[0, 0], [60, 10, 20], rtol=1e-5)
    np.testing.assert_allclose(turned[0, 1], [30, 30, 30], rtol=1e-5)


# What the splits share


def test_splits__digits_are_disjoint_and_complete():
    pools = {s: [digit_pool(s, label) for label in range(10)] for s in ('pretrain', 'train', 'val')}
    flat = [np.concatenate(pool) for pool in pools.values()]
    assert sorted(np.concatenate(flat).tolist()) == list(range(1797))
    assert all(len(ids) >= 30 for pool in pools.values() for ids in pool)


@pytest.mark.parametrize('split', SPLITS)
def test_splits__scenes_draw_from_their_own_digits(split):
    pools = [set(digit_pool(SPLITS[split][1], label).tolist()) for label in range(10)]
    for index in range(25):
        scene = render_scene(WIDE, split, index)
        for digit_id, label in zip(scene.digit_ids.tolist(), scene.labels, strict=True):
            assert digit_id in pools[label]


@pytest.mark.parametrize('shape', [(300, 451), (640, 427), (512, 512)])
def test_splits__validation_photographs_are_apart(shape):
    used = np.zeros(shape, int)
    used[photograph_region(shape, 'val')] += 1
    share = used.mean()
    used[photograph_region(shape, 'train')] += 1
    assert photograph_region(shape, 'train') == photograph_region(shape, 'pretrain')
    assert used.max() == 1
    assert 0.28 < share < 0.34


def test_splits__every_photograph_is_in_the_wheels():
    for package, name in photograph_files():
        photograph = _read_photograph(package, name)
        assert photograph.ndim == 3 and max(photograph.shape) <= 640
        assert photograph.std() > 20


# The files


@pytest.mark.slow
def test_files__bytes_do_not_depend_on_processes(demo, tmp_path):
    twin = make_scenes(tmp_path / 'twin', WIDE, COUNTS, processes=2, progress=False)
    assert contents(twin) == contents(demo)


def test_files__larger_set_extends_the_smaller(demo, tmp_path):
    more = {split: count + 3 for split, count in COUNTS.items()}
    larger = contents(make_scenes(tmp_path / 'more', WIDE, more, processes=1, progress=False))
    smaller = contents(demo)
    pictures = {name: digest for name, digest in smaller.items() if name[-4:] in ('.png', '.jpg')}
    assert len(pictures) == sum(COUNTS.values()) + COUNTS['train'] + COUNTS['val']
    assert pictures.items() <= larger.items()


def test_files__annotations_of_a_larger_set_start_with_the_smaller(demo, tmp_path):
    counts = dict.fromkeys(COUNTS, 0) | dict(train=COUNTS['train'] + 3)
    larger = make_scenes(tmp_path / 'more', WIDE, counts, processes=1, progress=False)
    name = 'annotations/instances_train.json'
    few, many = (json.loads((root / name).read_text()) for root in (demo, larger))
    for key in ('images', 'annotations'):
        assert len(many[key]) > len(few[key]) and many[key][: len(few[key])] == few[key]


@pytest.mark.parametrize('reader', [COCO, FasterCOCO])
@pytest.mark.parametrize(
    ('split', 'folder'), [('train', 'training'), ('val', 'validation')], ids=['train', 'val']
)
def test_files__coco_and_ade20k_tell_the_same(demo, split, folder, reader):
    coco = reader(str(demo / f'annotations/instances_{split}.json'))
    assert [c['name'] for c in coco.loadCats(coco.getCatIds())] == list(CLASSES)
    assert coco.getCatIds() == list(range(1, 11))
    assert sorted(coco.getImgIds()) == list(range(1, COUNTS[split] + 1))
    for image in coco.loadImgs(coco.getImgIds()):
        picture = cv2.imread(str(demo / 'images' / folder / image['file_name']))
        assert picture.shape == (image['height'], image['width'], 3) == (72, 96, 3)
        label_map = cv2.imread(
            str(demo / 'annotations' / folder / image['file_name']), cv2.IMREAD_UNCHANGED
        )
        decoded = np.zeros((72, 96), np.uint8)
        for entry in coco.loadAnns(coco.getAnnIds(imgIds=[image['id']])):
            mask = coco.annToMask(entry).astype(bool)
            assert not decoded[mask].any()  # visible pixels only: masks do not overlap
            decoded[mask] = entry['category_id']
            ys, xs = np.nonzero(mask)
            x, y, w, h = entry['bbox']
            assert (x, y, x + w, y + h) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert entry['area'] == mask.sum() and entry['iscrowd'] == 0
        assert label_map.dtype == np.uint8
        np.testing.assert_array_equal(label_map, decoded)


def test_files__annotation_ids_count_from_one(demo):
    for split in ('train', 'val'):
        entries = json.loads((demo / f'annotations/instances_{split}.json').read_text())
        ids = [entry['id'] for entry in entries['annotations']]
        assert ids == list(range(1, len(ids) + 1))


def test_files__pictures_are_the_rendered_scenes(demo):
    """PNG exactly, RGB as RGB; JPEG nearly."""

    def read(name: str) -> np.ndarray:
        return cv2.imread(str(demo / name))[..., ::-1]

    for split, name in [
        ('train', 'images/training/000002.png'),
        ('val', 'images/validation/000002.png'),
        ('classify_train', 'imagenet/train/2_two/000002.png'),
        ('classify_val', 'imagenet/val/2_two/000002.png'),
    ]:
        np.testing.assert_array_equal(read(name), render_scene(WIDE, split, 2).image)
    rendered = render_scene(WIDE, 'pretrain', 2).image.astype(int)
    assert np.abs(read('unlabelled/000002.jpg') - rendered).mean() < 3


def test_files__imagenet_folders_sort_as_the_digits(demo):
    for split in ('train', 'val'):
        folders = sorted(path.name for path in (demo / 'imagenet' / split).iterdir())
        assert tuple(folders) == CLASS_FOLDERS
        assert [int(name.split('_')[0]) for name in folders] == list(range(10))
        assert [name.split('_')[1] for name in folders] == list(CLASSES)
    assert len(list((demo / 'imagenet/train').rglob('*.png'))) == COUNTS['classify_train']


def test_files__class_list_names_the_labels(demo):
    assert (demo / 'classes.txt').read_text().splitlines() == ['background', *CLASSES]


def test_files__manifest_describes_the_set(demo):
    manifest = json.loads((demo / 'manifest.json').read_text())
    digests = contents(demo)
    del digests['manifest.json']
    listing = ''.join(f'{digests[name]}  {name}\n' for name in sorted(digests))
    assert manifest['content_hash'] == hashlib.sha256(listing.encode()).hexdigest()
    assert manifest['num_files'] == len(digests)
    assert manifest['counts'] == COUNTS
    assert manifest['config']['picture_size'] == [72, 96]
    assert {'numpy', 'scikit-image', 'scikit-learn'} <= set(manifest['versions'])


# Made once


def test_make_scenes__second_call_touches_nothing(own_demo, monkeypatch):
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in [own_demo, *own_demo.rglob('*')]}

    def refuse(*_):
        raise AssertionError('rendered again')

    before = times()
    monkeypatch.setattr(scenes, 'write_shard', refuse)
    assert make_scenes(own_demo, WIDE, COUNTS, processes=1, progress=False) == own_demo
    assert times() == before


def test_make_scenes__set_made_by_another_process_meanwhile_is_taken(demo, tmp_path, monkeypatch):
    @contextmanager
    def wait_for_the_other(root):
        shutil.copytree(demo, root)
        yield

    def refuse(*_):
        raise AssertionError('rendered again')

    monkeypatch.setattr(scenes, '_lock', wait_for_the_other)
    monkeypatch.setattr(scenes, 'write_shard', refuse)
    root = make_scenes(tmp_path / 'scenes', WIDE, COUNTS, processes=1, progress=False)
    assert contents(root) == contents(demo)


@pytest.mark.parametrize('change', ['config', 'counts'])
def test_make_scenes__another_set_replaces_the_old(own_demo, change):
    config = replace(WIDE, noise=0) if change == 'config' else WIDE
    counts = COUNTS if change == 'config' else COUNTS | dict(train=2)
    before = contents(own_demo)
    make_scenes(own_demo, config, counts, processes=1, progress=False)
    after = contents(own_demo)
    assert len(list((own_demo / 'images/training').iterdir())) == counts['train']
    picture = 'images/training/000000.png'
    assert (after[picture] == before[picture]) == (change == 'counts')
    left = {path.name for path in own_demo.parent.iterdir()}
    assert left == {own_demo.name, f'.{own_demo.name}.lock'}


def test_make_scenes__interrupted_build_leaves_nothing_and_recovers(demo, tmp_path, monkeypatch):
    root = tmp_path / 'scenes'
    write_shard, written = scenes.write_shard, []

    def interrupt(shard):
        if written:
            raise KeyboardInterrupt
        written.append(shard)
        return write_shard(shard)

    with monkeypatch.context() as patch:
        patch.setattr(scenes, 'write_shard', interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_scenes(root, WIDE, COUNTS, processes=1, progress=False)
    assert written and not root.exists()
    assert [path.name for path in tmp_path.iterdir()] == ['.scenes.lock']
    make_scenes(root, WIDE, COUNTS, processes=1, progress=False)
    assert contents(root) == contents(demo)


def test_make_scenes__interrupted_rebuild_keeps_the_old_set(own_demo, monkeypatch):
    before = contents(own_demo)

    def interrupt(shard):
        raise KeyboardInterrupt

    monkeypatch.setattr(scenes, 'write_shard', interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_scenes(own_demo, replace(WIDE, seed=5), COUNTS, processes=1, progress=False)
    assert contents(own_demo) == before


def test_make_scenes__rest_of_a_killed_build_is_removed(demo, tmp_path):
    rest = tmp_path / '.scenes.building' / 'images' / 'training'
    rest.mkdir(parents=True)
    (rest / '999999.png').write_bytes(b'cut off')
    root = make_scenes(tmp_path / 'scenes', WIDE, COUNTS, processes=1, progress=False)
    assert contents(root) == contents(demo)
    assert not rest.exists()


def test_make_scenes__damaged_manifest_is_made_again(own_demo, demo):
    (own_demo / 'manifest.json').write_text('{"recipe": 1, ')
    make_scenes(own_demo, WIDE, COUNTS, processes=1, progress=False)
    assert contents(own_demo) == contents(demo)


def test_make_scenes__shows_a_progress_bar(tmp_path, capsys):
    counts = dict.fromkeys(COUNTS, 0) | dict(train=2)
    make_scenes(tmp_path / 'loud', WIDE, counts, processes=1)
    assert '2/2' in capsys.readouterr().out
    make_scenes(tmp_path / 'quiet', WIDE, counts, processes=1, progress=False)
    assert capsys.readouterr().out == ''


def test_command_line__writes_the_set_and_names_it(tmp_path, capsys):
    few = ['--pretrain', '1', '--train', '2', '--val', '1', '--classify-train', '0']
    few += ['--classify-val', '0', '--processes', '1', '--seed', '3']
    scenes.main(['--root', str(tmp_path / 'demo'), *few])
    assert f'demo scenes: {tmp_path / "demo"}' in capsys.readouterr().out
    picture = cv2.imread(str(tmp_path / 'demo/images/training/000001.png'))[..., ::-1]
    np.testing.assert_array_equal(picture, render_scene(SceneConfig(seed=3), 'train', 1).image)


# Wrong arguments


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(picture_size=16), r'picture_size=16 .* at least 32 px'),
        (dict(picture_size=(128, 16)), r'picture_size=\(128, 16\)'),
        (dict(picture_size=(64, 64, 3)), 'an int or'),
        (dict(object_size=(36, 100)), r'object_size=\(36, 100\) .* <= 48'),
        (dict(object_size=(60, 40)), 'low <= high'),
        (dict(objects_per_picture=(0, 2)), 'objects_per_picture'),
        (dict(objects_per_picture=(1, 2.5)), 'whole numbers'),
        (dict(min_visible=0), r'min_visible=0 .* in \(0, 1\]'),
        (dict(max_rotation=45), r'max_rotation=45 .* in \[0, 30\] degrees'),
        (dict(texture_mix=1.5), 'texture_mix=1.5'),
        (dict(contrast=(0.2, 0.6)), r'contrast=\(0.2, 0.6\) .* <= 0.5'),
        (dict(shadow=2), 'shadow=2'),
        (dict(edge_width=4), r'edge_width=4 .* in \(0, 1.75\] px'),
        (dict(background_zoom=(0, 1)), 'background_zoom'),
        (dict(color_jitter=1), 'color_jitter=1'),
        (dict(hue_shift=200), 'hue_shift=200'),
        (dict(lighting=1), 'lighting=1'),
        (dict(noise=-1), 'noise=-1'),
        (dict(seed=-1), 'seed=-1'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_config__value_out_of_range_is_an_error(wrong, message):
    with pytest.raises(ValueError, match=message):
        SceneConfig(**wrong)


def test_render_scene__unknown_split_or_negative_index_is_an_error():
    with pytest.raises(ValueError, match="split='test' is unknown; choose one of pretrain, train"):
        render_scene(WIDE, 'test', 0)
    with pytest.raises(ValueError, match='index=-1'):
        render_scene(WIDE, 'train', -1)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(counts=dict(test=3)), "unknown split 'test'; choose from pretrain"),
        (dict(counts=dict(train=-1)), r"counts\['train'\]=-1 is out of range"),
        (dict(processes=0), 'processes=0 is out of range'),
    ],
)
def test_make_scenes__wrong_argument_is_an_error(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        make_scenes(tmp_path / 'scenes', WIDE, progress=False, **wrong)
    assert not (tmp_path / 'scenes').exists()


def test_make_scenes__foreign_files_are_never_replaced(own_demo, tmp_path):
    foreign = tmp_path / 'photos'
    foreign.mkdir()
    (foreign / 'mine.png').write_bytes(b'')
    with pytest.raises(ValueError, match='is not replaced: it contains mine.png'):
        make_scenes(foreign, WIDE, COUNTS, processes=1, progress=False)
    (own_demo / 'my-results').mkdir()
    with pytest.raises(ValueError, match='is not replaced: it contains my-results'):
        make_scenes(own_demo, replace(WIDE, seed=9), COUNTS, processes=1, progress=False)
    with pytest.raises(NotADirectoryError, match='mine.png. is a file'):
        make_scenes(foreign / 'mine.png', WIDE, COUNTS, processes=1, progress=False)


def test_command_line__wrong_value_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit):
        scenes.main(['--root', str(tmp_path / 'demo'), '--picture-size', '8'])
    assert 'picture_size=8 is out of range' in capsys.readouterr().err
