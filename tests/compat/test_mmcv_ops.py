"""RoIAlign and NMS under mmcv's name: equal to naive loops, never in front of compiled ops."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor

from mae_transfer.compat import mmcv_ops
from tests.references.naive_roi_ops import naive_nms, naive_roi_align
from tests.support.ranks import run_ranks

mmcv_ops.install()
mmcv_cv_ops = importlib.import_module('mmcv.ops')
is_torchvision = mmcv_ops.find_ops() == mmcv_ops.ORIGIN
needs_shim = pytest.mark.skipif(not is_torchvision, reason='mmcv has compiled ops here')


def example_rois() -> Tensor:
    """Boxes in both images: inside, narrow, over the border, far outside of 28 x 44 pixels."""
    return torch.tensor(
        [
            [0, 4.0, 3.0, 21.0, 17.0],
            [1, 10.5, 2.25, 12.0, 26.0],
            [0, -9.0, -5.0, 13.0, 9.0],
            [1, 30.0, 20.0, 50.0, 40.0],
            [1, 200.0, 200.0, 220.0, 240.0],
        ]
    )


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling_ratio', [0, 2, 3])
def test_roi_align__equals_naive_loop(aligned, sampling_ratio):
    x = torch.randn(2, 3, 7, 11, dtype=torch.float64, requires_grad=True)
    rois = example_rois().double()
    arguments = (rois, (2, 3), 0.25, sampling_ratio)
    pooled = mmcv_cv_ops.roi_align(x, *arguments, 'avg', aligned)
    expected = naive_roi_align(x, *arguments, aligned)
    torch.testing.assert_close(pooled, expected)

    weights = torch.randn_like(expected)
    (grad,) = torch.autograd.grad((pooled * weights).sum(), x)
    (expected_grad,) = torch.autograd.grad((expected * weights).sum(), x)
    assert expected_grad.abs().sum() > 0
    torch.testing.assert_close(grad, expected_grad)


def test_roi_align__equals_torchvision_in_float32():
    x = torch.randn(2, 3, 7, 11)
    pooled = mmcv_cv_ops.RoIAlign((7, 7), 0.25, 0)(x, example_rois())
    expected = torchvision.ops.roi_align(x, example_rois(), 7, 0.25, -1, aligned=True)
    torch.testing.assert_close(pooled, expected)


def test_roi_align__takes_transposed_features_and_gradients():
    x = torch.randn(2, 7, 11, 3).requires_grad_()
    pooled = mmcv_cv_ops.roi_align(x.permute(0, 3, 1, 2), example_rois(), (2, 3), 0.25, 2)
    pooled.permute(0, 2, 3, 1).square().sum().backward()
    expected = x.detach().clone().requires_grad_()
    naive = naive_roi_align(expected.permute(0, 3, 1, 2), example_rois(), (2, 3), 0.25, 2, True)
    naive.square().sum().backward()
    torch.testing.assert_close(x.grad, expected.grad, atol=1e-5, rtol=1e-5)


@needs_shim
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_roi_align__half_precision_features(dtype):
    x = torch.randn(2, 3, 7, 11).to(dtype).requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        pooled = mmcv_cv_ops.roi_align(x, example_rois(), (2, 3), 0.25, 2)
    assert pooled.dtype == dtype
    expected = naive_roi_align(x.detach().float(), example_rois(), (2, 3), 0.25, 2, True)
    torch.testing.assert_close(pooled, expected.to(dtype))
    pooled.sum().backward()
    assert x.grad.dtype == dtype
    assert torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0


def test_roi_align__boxes_more_precise_than_the_features():
    x = torch.randn(1, 2, 7, 11, dtype=torch.float64)
    rois = example_rois()[:1]
    pooled = mmcv_cv_ops.roi_align(x, rois, (2, 2), 0.25, 2)
    expected = naive_roi_align(x, rois, (2, 2), 0.25, 2, True)
    torch.testing.assert_close(pooled, expected)


def test_roi_align__without_boxes():
    x = torch.randn(2, 3, 7, 11, requires_grad=True)
    pooled = mmcv_cv_ops.roi_align(x, torch.zeros(0, 5), (2, 3), 0.25, 0)
    assert pooled.shape == (0, 3, 2, 3)
    pooled.sum().backward()
    torch.testing.assert_close(x.grad, torch.zeros_like(x))


@needs_shim
def test_roi_align__refuses_max_pooling():
    with pytest.raises(NotImplementedError, match="pool_mode='max'.*pip install"):
        mmcv_cv_ops.roi_align(torch.randn(1, 1, 4, 4), example_rois()[:1], 2, 1.0, 0, 'max')


def random_boxes(num_boxes: int) -> tuple[Tensor, Tensor]:
    corner = torch.randint(0, 40, (num_boxes, 2))
    size = torch.randint(4, 24, (num_boxes, 2))
    return torch.cat([corner, corner + size], dim=1).float(), torch.rand(num_boxes)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('iou_threshold', [0.3, 0.5, 0.7])
def test_nms__equals_naive_loop(offset, iou_threshold):
    boxes, scores = random_boxes(80)
    expected = naive_nms(boxes, scores, iou_threshold, offset)
    assert 5 < len(expected) < 80
    dets, kept = mmcv_cv_ops.nms(boxes, scores, iou_threshold, offset)
    assert kept.tolist() == expected
    assert kept.dtype == torch.int64
    torch.testing.assert_close(dets[:, 4], scores[kept])
    assert (dets[1:, 4] <= dets[:-1, 4]).all()


def test_nms__offset_counts_the_last_pixel():
    """IoU 1 / 2 between borders; with the last pixel counted in, 4 / 6."""
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 2]])
    scores = torch.tensor([0.6, 0.9])
    assert mmcv_cv_ops.nms(boxes, scores, 0.6, offset=0)[1].tolist() == [1, 0]
    assert mmcv_cv_ops.nms(boxes, scores, 0.6, offset=1)[1].tolist() == [1]


def test_nms__leaves_the_boxes_of_the_caller_alone():
    boxes, scores = random_boxes(20)
    before = boxes.clone()
    mmcv_cv_ops.nms(boxes, scores, 0.5, offset=1)
    torch.testing.assert_close(boxes, before)


def test_nms__score_threshold_and_max_num():
    boxes, scores = random_boxes(40)
    _, every = mmcv_cv_ops.nms(boxes, scores, 0.5)
    _, best = mmcv_cv_ops.nms(boxes, scores, 0.5, score_threshold=0.4, max_num=3)
    assert best.tolist() == every[:3].tolist()


@needs_shim
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_nms__half_precision(dtype):
    boxes, _ = random_boxes(40)  # whole numbers below 256: exact in half precision
    scores = torch.randperm(40).to(dtype)
    expected = naive_nms(boxes, scores.float(), 0.5, 0)
    assert mmcv_cv_ops.nms(boxes.to(dtype), scores, 0.5)[1].tolist() == expected
    assert mmcv_cv_ops.nms(boxes, scores, 0.5)[1].tolist() == expected


def test_nms__without_boxes():
    dets, kept = mmcv_cv_ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert dets.shape == (0, 5)
    assert kept.shape == (0,) and kept.dtype == torch.int64


def test_nms__numpy():
    boxes, scores = random_boxes(20)
    _, kept = mmcv_cv_ops.nms(boxes.numpy(), scores.numpy(), 0.5)
    assert isinstance(kept, np.ndarray)
    assert kept.tolist() == naive_nms(boxes, scores, 0.5, 0)


def test_batched_nms__keeps_classes_apart():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [1, 0, 10, 10]])
    scores, classes = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 1, 0])
    nms_cfg = {'type': 'nms', 'iou_threshold': 0.5}
    assert mmcv_cv_ops.batched_nms(boxes, scores, classes, nms_cfg)[1].tolist() == [0, 1]


def test_nms__refuses_another_offset():
    with pytest.raises(ValueError, match='offset must be 0 or 1, got 2'):
        mmcv_ops.nms(*random_boxes(3), 0.5, offset=2)


@needs_shim
def test_other_ops__raise_their_name_and_the_way_out():
    with pytest.raises(NotImplementedError, match="'softnms'.*pip install.*onedl-mmcv"):
        mmcv_cv_ops.soft_nms(*random_boxes(3))
    x, offset = torch.randn(1, 2, 4, 4), torch.zeros(1, 18, 4, 4)
    with pytest.raises(NotImplementedError, match="'deform_conv_forward'"):
        mmcv_cv_ops.deform_conv2d(x, offset, torch.randn(2, 2, 3, 3), 1, 1)


@needs_shim
def test_extension__has_no_private_names():
    extension = importlib.import_module(mmcv_ops.EXTENSION)
    assert not hasattr(extension, '__path__')
    assert not hasattr(extension, '_anything')


@needs_shim
def test_environment_report__says_whose_ops():
    assert 'torchvision' in mmcv_cv_ops.get_compiler_version()
    assert mmcv_cv_ops.get_compiling_cuda_version() == 'not compiled'


@pytest.fixture
def other_mmcv(tmp_path: Path) -> Iterator[Path]:
    """Put an empty package in mmcv's place; gives its folder."""
    before = {name: sys.modules.pop(name, None) for name in ('mmcv', mmcv_ops.EXTENSION)}
    package = ModuleType('mmcv')
    package.__path__ = [str(tmp_path)]
    sys.modules['mmcv'] = package
    importlib.invalidate_caches()
    yield tmp_path
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def test_install__never_shadows_a_compiled_extension(other_mmcv):
    (other_mmcv / '_ext.py').write_text('COMPILED = True\n')
    assert mmcv_ops.find_ops() == str(other_mmcv / '_ext.py')
    assert importlib.import_module(mmcv_ops.EXTENSION).COMPILED


def test_install__does_not_hide_that_a_compiled_extension_is_broken(other_mmcv):
    (other_mmcv / '_ext.py').write_text("raise ImportError('undefined symbol')\n")
    with pytest.raises(ImportError, match='undefined symbol'):
        importlib.import_module(mmcv_ops.EXTENSION)


def test_install__helps_out_where_there_is_none(other_mmcv):
    assert mmcv_ops.find_ops() == 'torchvision'
    assert importlib.import_module(mmcv_ops.EXTENSION).nms is mmcv_ops.nms


def test_install__twice_is_once_and_at_the_end(monkeypatch):
    others = [f for f in sys.meta_path if not isinstance(f, mmcv_ops._ExtensionFinder)]
    monkeypatch.setattr(sys, 'meta_path', list(others))
    mmcv_ops.install()
    mmcv_ops.install()
    assert sys.meta_path[:-1] == others
    assert isinstance(sys.meta_path[-1], mmcv_ops._ExtensionFinder)


@pytest.mark.slow
def test_install__lets_the_detectors_be_imported_without_false_alarms(tmp_path):
    code = """
import sys
assert 'mmdet' not in sys.modules and 'mmcv.ops' not in sys.modules
import mae_transfer, mmdet.models
print('imported')
"""
    (printed,) = run_ranks(exec, code, folder=tmp_path, environments=[{}])
    assert printed.strip().endswith('imported')
    assert 'Line NMS is not compiled' not in printed
    assert 'Fail to import' not in printed


@pytest.mark.gpu
def test_roi_align_and_nms__on_gpu():
    x = torch.randn(2, 3, 7, 11)
    expected = naive_roi_align(x, example_rois(), (2, 3), 0.25, 2, True)
    pooled = mmcv_cv_ops.roi_align(x.cuda(), example_rois().cuda(), (2, 3), 0.25, 2)
    torch.testing.assert_close(pooled.cpu(), expected)
    boxes, scores = random_boxes(40)
    kept = mmcv_cv_ops.nms(boxes.cuda(), scores.cuda(), 0.5)[1]
    assert kept.tolist() == naive_nms(boxes, scores, 0.5, 0)
