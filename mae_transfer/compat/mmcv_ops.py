"""Provides torchvision's RoIAlign and NMS to an mmcv without compiled ops.

A plain ``pip install onedl-mmcv`` installs no compiled extension, and ``import mmdet.models`` then
fails at ``from mmcv import ops``. :func:`install` makes ``mmcv._ext`` importable: three of its
functions are torchvision's, every other name is a function that raises ``NotImplementedError`` with
its own name when called. The finder is at the *end* of ``sys.meta_path``, so a compiled
``mmcv._ext`` is found first and is used unchanged.

The signatures are those of ``mmcv/ops/csrc`` as called by ``mmcv.ops.roi_align`` and
``mmcv.ops.nms`` (onedl-mmcv 2.3): results are written to tensors that the caller allocates.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

import torch
from torch import Tensor

EXTENSION = 'mmcv._ext'
ORIGIN = 'torchvision'

HOW_TO_COMPILE = (
    'MMCV_WITH_OPS=1 pip install --no-build-isolation --no-cache-dir --force-reinstall --no-deps '
    'onedl-mmcv'
)


def roi_align_forward(
    x: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Average bilinear samples of the feature map in every bin of every box.

    Half precision is computed in float32, because torchvision's CPU kernel does not support
    bfloat16 and box corners in half precision are off by whole pixels.

    Args:
        x: Feature map, (B, C, H, W).
        rois: Boxes ``(image index, x1, y1, x2, y2)`` in pixels of the picture, (K, 5).
        output: Filled with the result, (K, C, aligned_height, aligned_width).
        argmax_y: Unused; for max pooling.
        argmax_x: Unused; for max pooling.
        aligned_height: Bins per box, vertically.
        aligned_width: Bins per box, horizontally.
        spatial_scale: Feature map pixels per picture pixel, 1 / stride.
        sampling_ratio: Samples per bin and axis; 0 takes one per feature map pixel.
        pool_mode: 1 for the average; 0, the maximum, is not available.
        aligned: Shift by half a pixel, as Mask R-CNN in detectron2 does.

    Raises:
        NotImplementedError: ``pool_mode`` is 0.
    """
    _require_average(pool_mode)
    dtype = _compute_dtype(x)
    pooled = torch.ops.torchvision.roi_align(
        x.to(dtype),
        rois.to(dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        sampling_ratio,
        aligned,
    )
    output.copy_(pooled)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Spread the gradient of every bin over the feature map pixels that it was averaged from.

    Args:
        grad_output: Gradient of the bins, (K, C, aligned_height, aligned_width).
        rois: As in :func:`roi_align_forward`.
        argmax_y: Unused.
        argmax_x: Unused.
        grad_input: Filled with the gradient of the feature map, (B, C, H, W).
        aligned_height: As in the forward pass, like all that follow.
        aligned_width: See there.
        spatial_scale: See there.
        sampling_ratio: See there.
        pool_mode: See there.
        aligned: See there.

    Raises:
        NotImplementedError: ``pool_mode`` is 0.
    """
    _require_average(pool_mode)
    dtype = _compute_dtype(grad_output)
    grad = torch.ops.torchvision._roi_align_backward(
        grad_output.to(dtype),
        rois.to(dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        *grad_input.shape,
        sampling_ratio,
        aligned,
    )
    grad_input.copy_(grad)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Keep the best of every group of overlapping boxes.

    Args:
        boxes: Corners ``(x1, y1, x2, y2)`` in pixels, (N, 4).
        scores: Confidence, (N,).
        iou_threshold: A box is removed if its IoU with a better one is above this, in [0, 1].
        offset: 1 if ``x2`` and ``y2`` are the last pixel inside, so that a side is
            ``x2 - x1 + 1``; 0 if they are the border.

    Returns:
        Indices of the kept boxes, best score first, (N_keep,), int64.
    """
    if offset not in (0, 1):
        raise ValueError(f'offset must be 0 or 1, got {offset!r}')
    dtype = torch.promote_types(_compute_dtype(boxes), _compute_dtype(scores))
    boxes = boxes.to(dtype)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, 1, 1])
    return torch.ops.torchvision.nms(boxes, scores.to(dtype), iou_threshold)


def get_compiler_version() -> str:
    """Describe the compiler of the ops for mmcv's environment report."""
    return "not compiled: RoIAlign and NMS are torchvision's"


def get_compiling_cuda_version() -> str:
    """Describe the CUDA version of the ops for mmcv's environment report."""
    return 'not compiled'


REPLACED: dict[str, Callable] = {
    function.__name__: function
    for function in (
        nms,
        roi_align_forward,
        roi_align_backward,
        get_compiler_version,
        get_compiling_cuda_version,
    )
}


def _compute_dtype(tensor: Tensor) -> torch.dtype:
    """Keep float64, and compute everything else in float32."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _require_average(pool_mode: int) -> None:
    """Refuse max pooling, which torchvision's RoIAlign does not support."""
    if pool_mode != 1:
        raise NotImplementedError(
            "RoIAlign with pool_mode='max' needs the compiled ops of mmcv; torchvision's RoIAlign "
            f"averages. Set pool_mode='avg', or compile mmcv: {HOW_TO_COMPILE}"
        )


def _missing_op(name: str) -> Callable[..., NoReturn]:
    """Build a function that reports an op without a replacement in torchvision as missing."""

    def missing_op(*args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError(
            f"the mmcv op '{name}' is missing: mmcv was installed without compiled ops, and "
            'mae_transfer replaces only nms, roi_align_forward and roi_align_backward with '
            "torchvision's. Use a config that does not need it (for example nms instead of "
            f'soft_nms), or compile mmcv, which needs a C++ compiler: {HOW_TO_COMPILE} '
            '(2.3.6 compiles with torch 2.10, not with torch 2.14)'
        )

    missing_op.__name__ = missing_op.__qualname__ = name
    return missing_op


class _TorchvisionExtension(ModuleType):
    """Replaces ``mmcv._ext``: any op can be looked up, as mmcv does during its import."""

    def __getattr__(self, name: str) -> Callable:
        # Python's own tools (inspect, copy, doctest) look up private names; none is an op.
        if name.startswith('_'):
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        op = _missing_op(name)
        setattr(self, name, op)
        return op


class _ExtensionFinder(MetaPathFinder, Loader):
    """Finds ``mmcv._ext`` if no earlier finder in ``sys.meta_path`` does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != EXTENSION:
            return None
        return ModuleSpec(fullname, self, origin=ORIGIN)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _TorchvisionExtension(spec.name, 'RoIAlign and NMS of torchvision for mmcv.')

    def exec_module(self, module: ModuleType) -> None:
        import torchvision  # noqa: F401  registers torch.ops.torchvision

        vars(module).update(REPLACED)


def install() -> None:
    """Let mmcv find torchvision's RoIAlign and NMS if it has no compiled ops.

    Calling it again has no effect. Call it before the first ``import mmcv``, which warns about
    missing ops.
    """
    if not any(isinstance(finder, _ExtensionFinder) for finder in sys.meta_path):
        sys.meta_path.append(_ExtensionFinder())


def find_ops() -> str:
    """Find out which ops mmcv uses. Imports mmcv, but not the extension.

    Returns:
        The path of the compiled extension, 'torchvision' for the ops of this module, or 'none'.
    """
    spec = importlib.util.find_spec(EXTENSION)
    return 'none' if spec is None else str(spec.origin)
