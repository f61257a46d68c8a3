from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from mae_transfer.hooks import TokenizerReconstructionHook
from mae_transfer.hooks.reconstruction import (
    TITLE_HEIGHT,
    ReconstructionHook,
    draw_columns,
    fixed_masks,
    reconstruction_columns,
    to_pixels,
)
from mae_transfer.pretrain import HOGTarget, RandomMasking


class Painter(torch.nn.Module):
    """Stands for a masked autoencoder whose prediction is a constant."""

    masking = RandomMasking(0.75)

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SimpleNamespace(patch_size=(8, 8))
        self.data_preprocessor = Preprocessor()

    def reconstruct(self, inputs, mask):
        pixels = mask.reshape(-1, 1, 2, 3).repeat_interleave(8, 2).repeat_interleave(8, 3)
        return inputs.masked_fill(pixels, 0.0), torch.ones_like(inputs), mask


class Preprocessor(torch.nn.Module):
    """Mean 100, deviation 50 for each channel."""

    mean, std = torch.full((3, 1, 1), 100.0), torch.full((3, 1, 1), 50.0)

    def forward(self, batch, training):
        assert training is False
        return {'inputs': (torch.stack(batch['inputs']).float() - self.mean) / self.std}


def test_columns__four_in_pixels():
    """One picture of value 250; one hidden patch. Hidden shows the mean 100, the prediction 150."""
    inputs = torch.full((1, 3, 16, 24), 3.0)
    mask = torch.zeros(1, 6, dtype=torch.bool)
    mask[0, 4] = True  # second row, second column
    columns = reconstruction_columns(Painter(), inputs, mask)
    original, masked, prediction, completed = (
        to_pixels(column, Preprocessor())[0] for column in columns
    )
    patch = (slice(None), slice(8, 16), slice(8, 16))
    assert (original == 250).all() and (prediction == 150).all()
    assert (masked[patch] == 100).all() and (completed[patch] == 150).all()
    for column in (masked, completed):
        rest = column.clone()
        rest[patch] = 250
        assert (rest == 250).all()


def test_columns__of_patches_that_are_no_squares():
    """Patches of 8 x 4 pixels, 2 x 6 of them: the last of the first row is hidden."""
    painter = Painter()
    painter.backbone.patch_size = (8, 4)
    painter.reconstruct = lambda inputs, mask: (inputs, torch.ones_like(inputs), mask)
    mask = torch.zeros(1, 12, dtype=torch.bool)
    mask[0, 5] = True
    *_, completed = reconstruction_columns(painter, torch.zeros(1, 3, 16, 24), mask)
    expected = torch.zeros(16, 24)
    expected[:8, 20:] = 1
    assert (completed == expected).all()
    fixed = fixed_masks(painter, torch.zeros(3, 3, 16, 24))
    assert fixed.shape == (3, 12) and fixed.sum(1).tolist() == [9, 9, 9]
    assert torch.equal(fixed, fixed_masks(painter, torch.zeros(3, 3, 16, 24)))


def test_drawing__enlarged_cells_under_their_titles():
    """Two batches of two 16x24 pictures: ten times as large, with two pixels of white between."""
    left = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 3, 16, 24).clone()
    left[0, :, 15, 23] = -2.0  # black
    right = torch.full((2, 3, 16, 24), 2.0)
    picture = draw_columns([left, right], ['one', 'two'], Preprocessor())
    assert picture.dtype == np.uint8
    assert picture.shape == (TITLE_HEIGHT + 2 + 2 * 162, 2 + 2 * 242, 3)
    title, cells = picture[:TITLE_HEIGHT], picture[TITLE_HEIGHT:]
    for half in (title[:, :243], title[:, 243:]):
        ink = np.flatnonzero((half < 128).any((0, 2)))
        assert 100 < ink.mean() < 140  # in the middle of its column
    assert (cells[:2] == 255).all() and (cells[:, 242:244] == 255).all()
    first = cells[2:162, 2:242]
    assert (first[150:, 230:] == 0).all() and (first[:150] == 100).all()
    assert (cells[164:324, 2:242] == 150).all() and (cells[2:162, 244:484] == 200).all()


def test_drawing__large_pictures_keep_their_size():
    picture = draw_columns([torch.zeros(2, 3, 160, 170)], ['one'], Preprocessor())
    assert picture.shape == (TITLE_HEIGHT + 2 * 162 + 2, 174, 3)


def fake_runner(work_dir, sent=None) -> SimpleNamespace:
    """What the hook asks of a runner; pictures for the visualizer are noted in ``sent``."""
    return SimpleNamespace(
        train_dataloader=SimpleNamespace(
            dataset=[dict(inputs=torch.full((3, 16, 24), 10 * i)) for i in range(4)],
            collate_fn=lambda samples: {'inputs': [s['inputs'] for s in samples]},
        ),
        model=Painter(),
        work_dir=str(work_dir),
        visualizer=SimpleNamespace(add_image=lambda name, image, step: sent.append((name, step))),
        max_iters=5,
        iter=0,
    )


def test_hook__draws_at_the_interval_and_at_the_end(tmp_path):
    sent = []
    runner = fake_runner(tmp_path, sent)
    hook = ReconstructionHook(num_images=2, interval=2)
    hook.before_train(runner)
    for runner.iter in range(5):
        hook.after_train_iter(runner, runner.iter)
    assert sent == [('reconstructions', step) for step in (2, 4, 5)]
    files = sorted(p.name for p in (tmp_path / 'reconstructions').iterdir())
    assert files == ['iter_2.png', 'iter_4.png', 'iter_5.png']
    pictures = [cv2.imread(str(tmp_path / 'reconstructions' / name)) for name in files]
    assert pictures[0].shape[0] == TITLE_HEIGHT + 2 + 2 * 162 and (pictures[0] == pictures[2]).all()
    assert runner.model.training


def test_hook__writes_red_as_red(tmp_path):
    """Pictures of values 240, 10, 40 in the channels of RGB; OpenCV reads BGR."""
    runner = fake_runner(tmp_path, [])
    color = torch.tensor([240, 10, 40]).reshape(3, 1, 1).expand(3, 16, 24)
    runner.train_dataloader.dataset = [dict(inputs=color)]
    hook = ReconstructionHook(num_images=1)
    hook.before_train(runner)
    hook.draw(runner)
    picture = cv2.imread(str(tmp_path / 'reconstructions' / 'iter_1.png'))
    assert picture[TITLE_HEIGHT + 20, 20].tolist() == [40, 10, 240]


def test_to_pixels__cuts_colors_out_of_range():
    batch = torch.tensor([-3.0, 0.0, 9.0]).reshape(1, 1, 1, 3).expand(1, 3, 1, 3)
    assert to_pixels(batch, Preprocessor())[0, 0, 0].tolist() == [0, 100, 255]


def test_hook__refuses_before_training_what_cannot_be_drawn(tmp_path, monkeypatch):
    target = HOGTarget()
    monkeypatch.setattr(Painter, 'reconstruct', lambda self, inputs, mask: target.to_images(0, 0))
    with pytest.raises(NotImplementedError, match='HOGTarget'):
        ReconstructionHook(num_images=2).before_train(fake_runner(tmp_path))


@pytest.mark.parametrize('arguments', [dict(num_images=0), dict(interval=0)])
def test_hook__rejects(arguments):
    with pytest.raises(ValueError, match='at least 1'):
        ReconstructionHook(**arguments)


class Inverter(torch.nn.Module):
    """Stands for a tokenizer that paints each picture with its sign turned."""

    def __init__(self) -> None:
        super().__init__()
        self.data_preprocessor = Preprocessor()

    def reconstruct(self, inputs):
        assert not self.training
        return -inputs, torch.zeros(len(inputs), 6)


def test_tokenizer_hook__draws_pictures_beside_what_is_painted(tmp_path):
    """Mean 100: a picture of 130 is painted as 70."""
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(
            dataset=[dict(inputs=torch.full((3, 16, 24), 130))] * 3,
            collate_fn=lambda samples: {'inputs': [s['inputs'] for s in samples]},
        ),
        model=Inverter(),
        work_dir=str(tmp_path),
        visualizer=SimpleNamespace(add_image=lambda name, image, step: None),
        max_iters=1,
        iter=0,
    )
    hook = TokenizerReconstructionHook(num_images=2)
    hook.before_train(runner)
    hook.after_train_iter(runner, 0)
    picture = cv2.imread(str(tmp_path / 'reconstructions' / 'iter_1.png'))
    assert picture.shape == (TITLE_HEIGHT + 2 + 2 * 162, 2 + 2 * 242, 3)
    cells = picture[TITLE_HEIGHT:]
    assert (cells[2:162, 2:242] == 130).all() and (cells[2:162, 244:484] == 70).all()
    assert runner.model.training
