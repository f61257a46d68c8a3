"""Which anchor belongs to which object, against Detectron2's rule and by hand."""

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

import mae_transfer  # noqa: F401  offers RoIAlign, which mmdet imports


@pytest.fixture(scope='module')
def make():
    """Make our assigner or MMDetection's, with the thresholds of the recipes."""
    from mmdet.models.task_modules import MaxIoUAssigner

    from mae_transfer.heads.best_anchor_assigner import BestAnchorAssigner

    def make_assigner(ours: bool = True, **kwargs: object):
        if ours:
            return BestAnchorAssigner(0.7, 0.3, **kwargs)
        return MaxIoUAssigner(0.7, 0.3, min_pos_iou=0.3, **kwargs)

    return make_assigner


@pytest.fixture(scope='module')
def anchors() -> Tensor:
    """All anchors of a picture of 1024 x 1024 pixels, as the recipes have them."""
    from mmdet.models.task_modules import AnchorGenerator

    generator = AnchorGenerator(scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64])
    return torch.cat(generator.grid_priors([(256 >> i, 256 >> i) for i in range(5)], device='cpu'))


def assign(assigner, anchors: Tensor, boxes: Tensor, ignored: Tensor | None = None):
    objects = InstanceData(bboxes=boxes, labels=torch.arange(len(boxes)) + 5)
    left_out = None if ignored is None else InstanceData(bboxes=ignored)
    return assigner.assign(InstanceData(priors=anchors), objects, left_out)


def naive_matcher(overlaps: list[list[float]]) -> list[int]:
    """Detectron2's rule, one anchor after another: object + 1, 0 = negative, -1 = ignored."""
    best_of_object = [max(row) for row in overlaps]
    assigned = []
    for anchor in range(len(overlaps[0])):
        column = [row[anchor] for row in overlaps]
        highest = max(column)
        is_best = any(value == best > 0 for value, best in zip(column, best_of_object, strict=True))
        if highest >= 0.7 or is_best:
            assigned.append(column.index(highest) + 1)
        else:
            assigned.append(0 if highest < 0.3 else -1)
    return assigned


def test_best_anchor__is_detectron2s_rule_on_random_overlaps(make):
    """Of few values, so that there are many ties."""
    for seed in range(50):
        torch.manual_seed(seed)
        overlaps = torch.randint(0, 17, (4, 30)) / 16
        overlaps[seed % 4] /= 8  # an object without a good anchor
        result = make().assign_wrt_overlaps(overlaps.clone(), torch.arange(4) + 5)
        expected = naive_matcher(overlaps.tolist())
        assert result.gt_inds.tolist() == expected
        assert result.labels.tolist() == [index + 4 if index > 0 else -1 for index in expected]


@pytest.mark.parametrize(
    ('box', 'number'),
    # 8 x 8 pixels: the 7 x 7 square anchors of 32 pixels that hold it
    [((512.0, 512.0, 520.0, 520.0), 49), ((300.0, 300.0, 500.0, 320.0), 39)],
    ids=['small', 'thin'],
)
def test_best_anchor__small_and_thin_objects_have_positives(make, anchors, box, number):
    boxes = torch.tensor([box])
    assert int((assign(make(), anchors, boxes).gt_inds > 0).sum()) == number
    assert not (assign(make(ours=False), anchors, boxes).gt_inds > 0).any()


def test_best_anchor__stays_with_the_object_that_it_overlaps_most(make):
    """Anchor 0 overlaps object 0 by .9 and is also the best of object 1, by .5."""
    overlaps = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.2, 0.0]])
    labels = torch.tensor([3, 4])
    assert make().assign_wrt_overlaps(overlaps, labels).gt_inds.tolist() == [1, 0, 0]
    assert make(ours=False).assign_wrt_overlaps(overlaps, labels).gt_inds.tolist() == [2, 0, 0]


def test_best_anchor__all_ties_count(make):
    """Three anchors tie for object 0; the third belongs to object 1, which it overlaps more."""
    overlaps = torch.tensor([[0.2, 0.1, 0.2, 0.2], [0.0, 0.0, 0.8, 0.1]])
    result = make().assign_wrt_overlaps(overlaps, torch.tensor([7, 8]))
    assert result.gt_inds.tolist() == [1, 0, 2, 1]
    assert result.labels.tolist() == [7, -1, 8, 7]


def test_best_anchor__an_object_far_from_all_anchors_has_none(make, anchors):
    boxes = torch.tensor([[2000.0, 2000.0, 2010.0, 2020.0]])
    result = assign(make(), anchors, boxes)
    assert (result.gt_inds == 0).all() and (result.labels == -1).all()


def test_best_anchor__leaves_out_ignored_anchors(make, anchors):
    """Of the 49 best anchors, those that an ignored region holds are not used."""
    boxes = torch.tensor([[512.0, 512.0, 520.0, 520.0]])
    region = torch.tensor([[490.0, 0.0, 1024.0, 1024.0]])
    result = assign(make(ignore_iof_thr=0.95), anchors, boxes, region)
    peer = assign(make(ours=False, ignore_iof_thr=0.95), anchors, boxes, region)
    assert torch.equal(result.gt_inds == -1, peer.gt_inds == -1) and (peer.gt_inds == -1).any()
    assert 0 < int((result.gt_inds > 0).sum()) < 49


@pytest.mark.parametrize(('objects', 'priors'), [(0, 6), (2, 0), (0, 0)])
def test_best_anchor__without_objects_or_anchors_is_the_base_class(make, objects, priors):
    boxes, few = torch.rand(objects, 4), torch.rand(priors, 4)
    result, peer = (assign(make(ours), few, boxes) for ours in (True, False))
    assert result.gt_inds.tolist() == peer.gt_inds.tolist() == [0] * priors
    assert result.labels.tolist() == peer.labels.tolist()


def test_best_anchor__equals_mmdetection_on_objects_with_good_anchors(make, anchors):
    """Squares that an anchor fits exactly, far from each other."""
    boxes = torch.tensor([[112.0, 112, 144, 144], [448, 448, 576, 576]])
    result, peer = (assign(make(ours), anchors, boxes) for ours in (True, False))
    assert torch.equal(result.gt_inds, peer.gt_inds) and int((peer.gt_inds > 0).sum()) >= 2
    assert torch.equal(result.labels, peer.labels)


@pytest.mark.parametrize('name', ['min_pos_iou', 'match_low_quality', 'gt_max_assign_all'])
def test_best_anchor__refuses_what_its_rule_decides(make, name):
    with pytest.raises(ValueError, match=f'{name}=0.3: .*_delete_=True'):
        make(**{name: 0.3})
