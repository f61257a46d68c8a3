"""Draws the picture of a comparison: one row per scene, from pre-training to both tasks.

The models are read from the work dirs of the finished steps and run on validation scenes.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.runner import CheckpointLoader
from mmengine.structures import BaseDataElement, InstanceData
from torchvision.ops import box_iou

from mae_transfer.checkpoints.files.last_checkpoint import last_checkpoint
from mae_transfer.compat.atomic_write import write_atomically
from mae_transfer.demo.plans import Plan
from mae_transfer.demo.results import METRICS
from mae_transfer.demo.steps import pretrain_folder, task_folder
from mae_transfer.hooks.reconstruction import fixed_masks, reconstruction_columns, to_pixels
from mae_transfer.run.framework import import_framework

SCENES = 24  # first scenes of the validation data, from which the rows are chosen
ROWS = 2
MIN_SCORE = 0.3  # lower-scored detections are not drawn, as in MMDetection's visualizer
MIN_IOU = 0.5  # between a correct detection and the annotation

PIXELS_PER_INCH = 100
WIDTH = 12.0  # inches
GAP = 0.06  # inches between panels
GROUP_GAP = 0.2  # inches between pre-training and transfer
HEAD = 0.62  # inches above the panels
FOOT = 0.3  # inches below them
SEGMENT_COLOR = (230, 25, 75)


@dataclass(frozen=True)
class Objects:
    """Annotated or detected objects of one scene.

    Attributes:
        boxes: (N, 4), x1, y1, x2, y2 in pixels.
        masks: (N, H, W), bool.
        labels: (N,), index of the class.
        scores: (N,), in [0, 1]; None for annotations.
    """

    boxes: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None


@dataclass(frozen=True)
class Row:
    """Contents of the row of one scene.

    Attributes:
        image: (H, W, 3), RGB, uint8; the two below have its shape.
        visible: The patches that the pre-trained encoder saw.
        completed: The image with its hidden patches replaced by the prediction.
        hidden: Fraction of hidden patches, in (0, 1).
        truth: Annotated objects.
        found: Detected objects.
        segments: (H, W), class per pixel, 0 = background.
    """

    image: np.ndarray
    visible: np.ndarray
    completed: np.ndarray
    hidden: float
    truth: Objects
    found: Objects
    segments: np.ndarray


def draw_first_look(plan: Plan, path: Path, records: Sequence[dict]) -> None:
    """Draw scenes using the models of a finished plan, and write the picture.

    The rows are the scenes with the best detections among the first ``SCENES`` of the validation
    data, and the picture says so.

    Args:
        plan: A finished plan. Its first start with a pre-training and its first seed are drawn.
        path: The PNG file to write.
        records: Results of the plan, for the line below the picture.
    """
    init = next(name for name, start in plan.starts.items() if start.pretrain_config)
    seed, start = plan.seeds[0], plan.starts[init]
    folders = {task: task_folder(plan, task, init, seed) for task in start.task_configs}
    if set(folders) != {'detection', 'segmentation'} or not start.pretrain_config:
        raise ValueError(f'the start {init!r} lacks detection or segmentation, which are drawn')
    detected, classes = predict(folders['detection'], start.task_configs['detection'], SCENES)
    segmented, _ = predict(folders['segmentation'], start.task_configs['segmentation'], SCENES)
    segments = {Path(sample.img_path).name: sample.pred_sem_seg for sample in segmented}
    pairs = [(objects_of(s.gt_instances), objects_of(s.pred_instances)) for s in detected]
    chosen = choose([rightness(*pair) for pair in pairs], ROWS)
    _, pretrained = load_run(pretrain_folder(plan, init, seed), start.pretrain_config)
    rows = []
    for i in chosen:
        file = Path(detected[i].img_path)
        image = mmcv.imread(file, channel_order='rgb')
        pixels = segments[file.name].data[0].numpy()
        rows.append(Row(*reconstruct(pretrained, image), *pairs[i], pixels))
    values = {
        metric: record[metric]
        for record in records
        if (record['init'], record['seed']) == (init, seed)
        for metric in METRICS
        if record.get(metric) is not None
    }
    scores = ', '.join(f'{METRICS[metric]} {value:.1f}' for metric, value in values.items())
    note = (
        f'Encoder pre-trained with {init}. Shown: the {len(rows)} of {len(pairs)} validation '
        f'scenes with the best detections. On the whole set: {scores} (percent).'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, draw_rows(rows, classes, note))


def load_run(folder: Path, config: str) -> tuple[Config, Any]:
    """Build the model of a finished run and load its last checkpoint.

    Args:
        folder: Work dir of the run. The config that the run saved there includes its options.
        config: The config that the run was started with.

    Returns:
        The config of the run; the model, in evaluation mode.
    """
    cfg = Config.fromfile(folder / Path(config).name)
    import_framework(cfg.default_scope)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    path = str(last_checkpoint(folder))
    content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    model.load_state_dict(content['state_dict'])
    return cfg, model.eval()


@torch.no_grad()
def predict(folder: Path, config: str, count: int) -> tuple[list[BaseDataElement], Sequence[str]]:
    """Predict the first pictures of a finished run's validation data.

    Args:
        folder: See :func:`load_run`, as ``config``.
        config: The config that the run was started with.
        count: Number of pictures, limited by the size of the data.

    Returns:
        A sample with annotations and predictions per picture; the class names.
    """
    cfg, model = load_run(folder, config)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(cfg.val_dataloader.dataset)
        samples = [dataset[i] for i in range(min(count, len(dataset)))]
        return model.test_step(pseudo_collate(samples)), dataset.metainfo['classes']


@torch.no_grad()
def reconstruct(model: Any, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Hide patches of an image and let a pre-trained model complete it.

    Args:
        model: A masked autoencoder.
        image: (H, W, 3), RGB, uint8.

    Returns:
        The image, its visible part, the completed image, and the fraction of hidden patches, as in
        :class:`Row`.
    """
    norm = model.data_preprocessor  # not called, as it may expect two views of each image
    inputs = (torch.from_numpy(image).permute(2, 0, 1)[None] - norm.mean) / norm.std
    mask = fixed_masks(model, inputs)
    columns = reconstruction_columns(model, inputs, mask)
    image, visible, _, completed = (
        to_pixels(column, norm)[0].permute(1, 2, 0).numpy() for column in columns
    )
    return image, visible, completed, mask.float().mean().item()


def objects_of(instances: InstanceData) -> Objects:
    """Read annotations or detections of MMDetection, without low-scored detections."""
    boxes, masks = instances.bboxes, instances.masks  # tensors, or structures that wrap arrays
    boxes = np.asarray(getattr(boxes, 'tensor', boxes))
    masks = np.asarray(masks.to_ndarray() if hasattr(masks, 'to_ndarray') else masks, dtype=bool)
    labels = np.asarray(instances.labels)
    if 'scores' not in instances:
        return Objects(boxes, masks, labels)
    scores = np.asarray(instances.scores)
    kept = scores >= MIN_SCORE
    return Objects(boxes[kept], masks[kept], labels[kept], scores[kept])


def rightness(truth: Objects, found: Objects) -> tuple[float, int]:
    """Rate the detections of a scene.

    An object counts as found if a detection of its class has a box IoU of at least ``MIN_IOU``.

    Returns:
        Found objects as a fraction of all objects plus wrong or repeated detections, in [0, 1]; the
        number of found objects.
    """
    iou = box_iou(torch.as_tensor(truth.boxes), torch.as_tensor(found.boxes)).numpy()
    fits = (iou >= MIN_IOU) & (truth.labels[:, None] == found.labels[None])
    right = int(fits.any(1).sum())
    return right / max(1, len(truth.labels) + len(found.labels) - right), right


def choose(scores: Sequence[tuple[float, int]], count: int) -> list[int]:
    """Return the indices of the highest scores in data order; the first ones win ties."""
    ranked = sorted(range(len(scores)), key=lambda i: scores[i], reverse=True)
    return sorted(ranked[:count])


def draw_rows(rows: Sequence[Row], classes: Sequence[str], note: str) -> bytes:
    """Draw one row of panels per scene.

    Args:
        rows: The scenes.
        classes: Names of the detected classes.
        note: The line of text below the rows.

    Returns:
        Content of a PNG file.
    """
    side = (WIDTH - 5 * GAP - 2 * GROUP_GAP) / 6
    height = HEAD + len(rows) * (side + GAP) + FOOT
    figure = Figure(figsize=(WIDTH, height), dpi=PIXELS_PER_INCH, facecolor='white')
    lefts = [0.5 * GROUP_GAP + i * (side + GAP) + (GROUP_GAP if i > 2 else 0) for i in range(6)]
    hidden = f'{100 * rows[0].hidden:.0f} % hidden'
    titles = ('image', hidden, 'reconstructed', 'ground truth', 'detected', 'segmented')
    for left, title in zip(lefts, titles, strict=True):
        _write(figure, left + side / 2, height - HEAD + 0.12, title, size=11)
    for first, text in (
        (0, '1  Pre-training, without labels'),
        (3, '2  Transfer, with few labels'),
    ):
        span = (lefts[first], lefts[first + 2] + side)
        _write(figure, sum(span) / 2, height - 0.16, text, size=13, weight='bold')
        line = np.array(span) / WIDTH, [1 - 0.31 / height] * 2
        figure.add_artist(Line2D(*line, color='0.6', linewidth=1))
    for i, row in enumerate(rows):
        bottom = height - HEAD - (i + 1) * side - i * GAP
        panels = [
            figure.add_axes((left / WIDTH, bottom / height, side / WIDTH, side / height))
            for left in lefts
        ]
        _draw_row(panels, row, classes)
    _write(figure, WIDTH / 2, FOOT / 2, note, size=9, color='0.3')
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content)
    return content.getvalue()


def _draw_row(panels: Sequence[Axes], row: Row, classes: Sequence[str]) -> None:
    pictures = (row.image, row.visible, row.completed, row.image, row.image, row.image)
    for axes, picture in zip(panels, pictures, strict=True):
        axes.imshow(picture, interpolation='nearest')
        axes.set_axis_off()
        axes.autoscale(False)  # boxes may extend beyond the picture
    _draw_objects(panels[3], row.truth, classes)
    _draw_objects(panels[4], row.found, classes)
    _lay_over(panels[5], row.segments > 0, SEGMENT_COLOR)


def _draw_objects(axes: Axes, objects: Objects, classes: Sequence[str]) -> None:
    """Draw masks, boxes and class names in the color of the class."""
    for i, label in enumerate(objects.labels):
        color = 0.8 * np.array(colormaps['hsv'](label / len(classes))[:3])
        _lay_over(axes, objects.masks[i], 255 * color)
        x1, y1, x2, y2 = objects.boxes[i]
        place = ((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1)
        axes.add_patch(Rectangle(*place, fill=False, edgecolor=color, linewidth=2))
        text = classes[label]
        if objects.scores is not None:
            text += f' {100 * objects.scores[i]:.0f} %'
        # In the right half, text is right-aligned to stay inside the picture.
        x, side = (x1, 'left') if x1 + x2 < objects.masks.shape[-1] else (x2 - 1, 'right')
        style: dict[str, Any] = dict(size=9, color='white', weight='bold', ha=side, va='top')
        style['bbox'] = dict(facecolor=color, edgecolor='none', pad=1.5)
        axes.text(x, max(y1, 0.5), text, **style)


def _lay_over(axes: Axes, mask: np.ndarray, color: Any) -> None:
    """Draw a mask as a half-transparent area with a white outline."""
    layer = np.zeros((*mask.shape, 4))
    layer[mask] = [*(np.asarray(color) / 255), 0.5]
    axes.imshow(layer, interpolation='nearest')
    if mask.any() and not mask.all():
        axes.contour(mask, levels=[0.5], colors='white', linewidths=1)


def _write(figure: Figure, x: float, y: float, text: str, **style: Any) -> None:
    """Write a centered line; the position is in inches from the lower left corner."""
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, ha='center', va='center', **style)
