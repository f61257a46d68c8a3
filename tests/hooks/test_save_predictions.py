from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from mae_transfer.hooks.save_predictions import SavePredictionsHook, enlarge


class Bitmaps:
    """Stands for mmdet's masks of annotations."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def to_ndarray(self) -> np.ndarray:
        return self.array


class Boxes:
    """Stands for mmdet's boxes of annotations."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def __len__(self) -> int:
        return len(self.tensor)


def detections(masks, boxes) -> InstanceData:
    return InstanceData(bboxes=boxes, masks=masks, labels=torch.tensor([3]))


def sample_of(picture_path: str) -> BaseDataElement:
    """A sample of a 40x100 picture with a box, its mask and a map of labels."""
    mask = torch.zeros(1, 40, 100, dtype=torch.bool)
    mask[0, 10, 99] = True
    box = torch.tensor([[1.0, 2.0, 3.0, 4.5]])
    return BaseDataElement(
        metainfo=dict(img_path=picture_path),
        gt_instances=detections(Bitmaps(mask.numpy()), Boxes(box)),
        pred_instances=detections(mask, box),
        pred_sem_seg=PixelData(data=mask.long()),
        pred_label=torch.tensor([7]),
    )


@pytest.fixture
def picture(tmp_path):
    """A file of 40x100 pixels, each of another color."""
    (tmp_path / 'images' / 'val').mkdir(parents=True)
    path = tmp_path / 'images' / 'val' / '0.jpg.png'
    pixels = np.random.default_rng(0).integers(0, 256, (40, 100, 3), np.uint8)
    cv2.imwrite(str(path), pixels[..., ::-1])
    return path, pixels


def test_enlarge__picture_boxes_masks_and_maps_by_one_factor(picture):
    """40 pixels become 400: factor 10. The given sample stays as it is."""
    sample = sample_of('')
    larger, scaled = enlarge(picture[1], sample)
    assert larger.shape == (400, 1000, 3) and larger.dtype == np.uint8
    assert (larger[::10, ::10] == picture[1]).all() and (larger[9::10, 9::10] == picture[1]).all()
    for instances in (scaled.gt_instances, scaled.pred_instances):
        torch.testing.assert_close(instances.bboxes, torch.tensor([[10.0, 20.0, 30.0, 45.0]]))
        assert instances.labels.tolist() == [3]
    expected = np.zeros((1, 400, 1000), bool)
    expected[0, 100:110, 990:] = True
    assert (scaled.gt_instances.masks == expected).all()
    assert (scaled.pred_instances.masks.numpy() == expected).all()
    assert (scaled.pred_sem_seg.data.numpy() == expected).all()
    assert scaled.pred_label.tolist() == [7]
    assert sample.pred_instances.bboxes[0, 0] == 1 and sample.pred_sem_seg.shape == (40, 100)


def test_enlarge__leaves_large_pictures_alone():
    large, sample = np.zeros((384, 400, 3), np.uint8), sample_of('')
    same, same_sample = enlarge(large, sample)
    assert same is large and same_sample is sample


class Visualizer:
    """Stands for a framework's; notes what it is asked to draw."""

    dataset_meta = dict(classes=('a', 'b'))

    def __init__(self) -> None:
        self.calls = []


class DetectionVisualizer(Visualizer):
    line_width = 3

    def add_datasample(self, name, image, data_sample, out_file):
        self.calls.append((image.shape, data_sample.pred_instances.bboxes[0, 0].item(), out_file))
        self.image = image


class ClassificationVisualizer(Visualizer):
    def visualize_cls(self, image, sample, classes, out_file):
        self.calls.append((image.shape, classes, out_file))


def draw_two(hook: SavePredictionsHook, visualizer: Visualizer, path, prefix) -> list:
    """Two batches of one picture."""
    dataset = SimpleNamespace(data_prefix=prefix)
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    runner = SimpleNamespace(visualizer=visualizer, test_loop=loop)
    hook.before_test(runner)
    for i in range(2):
        hook.after_test_iter(runner, i, outputs=[sample_of(str(path))])
    return visualizer.calls


def test_hook__draws_enlarged_detections_with_thin_lines(picture, tmp_path):
    path, pixels = picture
    visualizer = DetectionVisualizer()
    hook = SavePredictionsHook(str(tmp_path / 'drawn'), most=1)
    calls = draw_two(hook, visualizer, path, dict(img=str(tmp_path / 'images')))
    assert calls == [((400, 1000, 3), 10.0, str(tmp_path / 'drawn' / 'val_0.jpg.png'))]
    assert visualizer.line_width == 1 and not hasattr(visualizer, 'alpha')
    assert (visualizer.image[::10, ::10] == pixels).all()  # RGB


@pytest.mark.parametrize(('most', 'drawn'), [(2, [2, 0]), (4, [3, 1]), (None, [3, 3])])
def test_hook__draws_no_more_than_asked(picture, tmp_path, most, drawn):
    """Two batches of three pictures."""
    dataset = SimpleNamespace(data_prefix=str(tmp_path / 'images'))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    runner = SimpleNamespace(visualizer=DetectionVisualizer(), test_loop=loop)
    hook, counts = SavePredictionsHook(str(tmp_path / 'drawn'), most), []
    for i in range(2):
        hook.after_test_iter(runner, i, outputs=[sample_of(str(picture[0]))] * 3)
        counts.append(len(runner.visualizer.calls) - sum(counts))
    assert counts == drawn


def test_hook__draws_classes(picture, tmp_path):
    path, _ = picture
    hook = SavePredictionsHook(str(tmp_path / 'drawn'))
    calls = draw_two(hook, ClassificationVisualizer(), path, str(tmp_path / 'images'))
    assert calls == [((400, 1000, 3), ('a', 'b'), str(tmp_path / 'drawn' / 'val_0.jpg.png'))] * 2
