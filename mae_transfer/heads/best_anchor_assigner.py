"""An assigner that gives each object its best anchors, however small or thin the object is."""

from mmdet.models.task_modules import AssignResult, MaxIoUAssigner
from mmdet.registry import TASK_UTILS
from torch import Tensor


@TASK_UTILS.register_module()
class BestAnchorAssigner(MaxIoUAssigner):
    """Assign anchors to objects by overlap; the best anchors of each object are always positive.

    As Detectron2's ``Matcher`` with ``allow_low_quality_matches``, after Faster R-CNN (Ren et al.
    2015, https://arxiv.org/abs/1506.01497, 3.1.2). An anchor belongs to the object that it overlaps
    most. It is positive if that overlap is at least ``pos_iou_thr``, or if it is a best anchor: one
    that no other anchor exceeds in overlap with some object. Ties are all best anchors.

    MMDetection's assigner requires an overlap of at least ``min_pos_iou`` of a best anchor, and
    assigns it to the object that it is the best anchor of, even if it overlaps another object more.

    An object that overlaps no anchor has no best anchor. (Detectron2 would make all anchors that do
    not overlap it positive.)

    Args:
        pos_iou_thr: Least overlap (IoU, 0 to 1) of a positive anchor.
        neg_iou_thr: Overlap below which an anchor is negative; in between it is ignored.
        **kwargs: Of MMDetection's ``MaxIoUAssigner``, such as ``ignore_iof_thr``.

    Raises:
        ValueError: If ``kwargs`` has ``min_pos_iou``, ``match_low_quality`` or
            ``gt_max_assign_all``, which this rule fixes.
    """

    def __init__(self, pos_iou_thr: float, neg_iou_thr: float, **kwargs: object) -> None:
        for name in ('min_pos_iou', 'match_low_quality', 'gt_max_assign_all'):
            if name in kwargs:
                raise ValueError(
                    f'{name}={kwargs[name]}: BestAnchorAssigner makes all best anchors of an '
                    f'object positive, so leave {name} out (in a config that inherits it: '
                    '_delete_=True), or take MaxIoUAssigner'
                )
        super().__init__(pos_iou_thr, neg_iou_thr, match_low_quality=False, **kwargs)

    def assign_wrt_overlaps(self, overlaps: Tensor, gt_labels: Tensor) -> AssignResult:
        """Assign by thresholds, then add the best anchors.

        Args:
            overlaps: IoU of K objects and N anchors, (K, N); -1 where an anchor is to be ignored.
            gt_labels: Classes of the objects, (K,).

        Returns:
            ``gt_inds`` (N,): object + 1, 0 = negative, -1 = ignored; ``labels`` (N,): class or -1.
        """
        result = super().assign_wrt_overlaps(overlaps, gt_labels)
        if overlaps.numel():
            highest = overlaps.max(dim=1, keepdim=True).values
            is_best = ((overlaps == highest) & (highest > 0)).any(dim=0)
            objects = overlaps.max(dim=0).indices[is_best]
            result.gt_inds[is_best] = objects + 1
            result.labels[is_best] = gt_labels[objects]
        return result
