"""What the picture of a comparison shows: which scenes, which detections, where."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image

from mae_transfer.demo.first_look import (
    Objects,
    Row,
    choose,
    draw_rows,
    objects_of,
    reconstruct,
    rightness,
)
from mae_transfer.pretrain import RandomMasking


def objects(*places: tuple[int, int], size: int = 64) -> Objects:
    """Squares of ten pixels: (label, left side), all at the same height."""
    boxes = np.array([[x, 10, x + 10, 20] for _, x in places], np.float32).reshape(-1, 4)
    masks = np.zeros((len(places), size, size), bool)
    for mask, (_, x) in zip(masks, places, strict=True):
        mask[10:20, x : x + 10] = True
    return Objects(boxes, masks, np.array([label for label, _ in places], int))


@pytest.mark.parametrize(
    'found, expected',
    [
        ([(3, 0), (5, 40)], (1.0, 2)),
        ([(3, 2), (5, 40)], (1.0, 2)),  # IoU 8 / 12
        ([(3, 4), (5, 40)], (1 / 3, 1)),  # IoU 6 / 14; three of one kind or the other
        ([(4, 0), (5, 40)], (1 / 3, 1)),  # another class
        ([(3, 0), (3, 1), (5, 40)], (2 / 3, 2)),  # found twice
        ([(3, 0)], (1 / 2, 1)),
        ([], (0.0, 0)),
    ],
)
def test_rightness__by_hand(found, expected):
    """Two objects, of class 3 on the left and of class 5 on the right."""
    assert rightness(objects((3, 0), (5, 40)), objects(*found)) == pytest.approx(expected)


def test_choose__the_best_in_the_order_of_the_data():
    assert choose([(0.5, 1), (1.0, 1), (1.0, 2), (1.0, 1)], 2) == [1, 2]
    assert choose([(0.0, 0)] * 3, 2) == [0, 1]
    assert choose([(0.0, 0)], 2) == [0]


def test_objects__weak_detections_are_left_out():
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[1, 2, 3] = True
    fields = dict(bboxes=torch.eye(2, 4), masks=masks, labels=torch.tensor([1, 2]))
    kept = objects_of(InstanceData(**fields, scores=torch.tensor([0.29, 0.31])))
    assert kept.labels.tolist() == [2] and kept.boxes.tolist() == [[0, 1, 0, 0]]
    assert kept.masks[0, 2, 3] and kept.scores is not None
    assert objects_of(InstanceData(**fields)).labels.tolist() == [1, 2]


def test_drawing__panels_in_their_columns():
    """Columns of 189 pixels from 10: red, green, blue; then gray under objects and segments."""
    red, green, blue, gray = (
        np.full((64, 64, 3), color, np.uint8)
        for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (60, 60, 60))
    )
    rows = [
        Row(red, green, blue, 0.75, objects((0, 0)), objects((0, 50), (1, 20)), np.eye(64)),
        Row(gray, gray, gray, 0.75, objects((0, 30)), objects(), np.ones((64, 64))),
    ]
    content = draw_rows(rows, ('zero', 'one'), 'a note')
    picture = np.asarray(Image.open(io.BytesIO(content)).convert('RGB')).astype(int)
    assert picture.shape[1] == 1200 and 450 < picture.shape[0] < 520
    first, second = 62 + 94, 62 + 194 + 94  # middle of each row
    for x, color in ((100, (255, 0, 0)), (300, (0, 255, 0)), (490, (0, 0, 255))):
        assert tuple(picture[first, x]) == color
        assert tuple(picture[second, x]) == (60, 60, 60)

    def colored(column: int, row: int) -> np.ndarray:
        """Pixels of a panel that differ from the picture below, as (x, y) of the scene."""
        left = 613 + (column - 3) * 194
        top = 62 + 194 * row
        panel = picture[top : top + 186, left : left + 188]
        background = (255, 0, 0) if row == 0 else (60, 60, 60)
        rows, columns = np.nonzero((panel != background).any(-1))
        return np.stack([columns, rows], 1) * 64 / 189

    truth = colored(3, 1)
    assert 27 < truth[:, 0].min() < 31 and 39 < truth[:, 0].max() < 46  # box and name
    assert 8 < truth[:, 1].min() and truth[:, 1].max() < 23
    assert colored(4, 0)[:, 0].max() > 50 and len(colored(4, 1)) == 0
    assert len(colored(5, 1)) == 186 * 188
    assert len(content) < 300_000


class Copier(torch.nn.Module):
    """A stand-in for a masked autoencoder that predicts its normalized input."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SimpleNamespace(patch_size=(8, 8))
        self.masking = RandomMasking(0.75)
        self.data_preprocessor = SimpleNamespace(
            mean=torch.tensor([120.0, 110.0, 100.0]).reshape(3, 1, 1),
            std=torch.tensor([60.0, 55.0, 50.0]).reshape(3, 1, 1),
        )
        self.seen = torch.empty(0)

    def reconstruct(self, inputs, mask):
        self.seen = inputs
        return torch.zeros_like(inputs), inputs, mask


def test_reconstruct__shows_the_picture_that_the_model_saw_normalized():
    image, model = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8), Copier()
    shown, visible, completed, hidden = reconstruct(model, image)
    assert (shown == image).all() and (completed == image).all()
    assert (visible == [120, 110, 100]).all()
    assert hidden == 0.75
    torch.testing.assert_close(model.seen[0, 2], (torch.tensor(image[..., 2]) - 100.0) / 50)
