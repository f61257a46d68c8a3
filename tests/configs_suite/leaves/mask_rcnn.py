"""Mask R-CNN and Cascade Mask R-CNN behind the pyramid: MMDetection's parts, as they are used."""

from tests.configs_suite.leaves.tree import Tree, combine

# Values that belong together share a line.
# fmt: off

CHANNEL_LN = dict(type='ChannelLN', eps=1e-6)
SYNC_BN = dict(type='SyncBN', requires_grad=True)


def deltas(*stds: float) -> Tree:
    """The code of a box, relative to its proposal."""
    return dict(type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=list(stds))


def sampler(number: int, positive: float, with_truth: bool) -> Tree:
    """Boxes of a picture that the loss sees, and the largest share of positive ones."""
    return dict(
        type='RandomSampler', num=number, pos_fraction=positive, neg_pos_ub=-1,
        add_gt_as_proposals=with_truth,
    )


def nms(number: int, kept: int) -> Tree:
    """Proposals of a level before the suppression, and of a picture behind it."""
    return dict(
        nms_pre=number, max_per_img=kept, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0,
    )


# What both detectors have: the data, the proposals, the test.
DETECTOR = dict(
    _scope_='mmdet',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375),
        bgr_to_rgb=True, pad_mask=True,
    ),
    rpn_head=dict(
        type='RPNHead', in_channels=256, feat_channels=256,
        anchor_generator=dict(
            type='AnchorGenerator',
            scales=[8],  # of the stride: 32 to 512 pixels
            ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64],
        ),
        bbox_coder=deltas(1.0, 1.0, 1.0, 1.0),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3,
                match_low_quality=True, ignore_iof_thr=-1,
            ),
            sampler=sampler(256, 0.5, with_truth=False), allowed_border=-1, pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=nms(2000, 1000),
    ),
    test_cfg=dict(
        rpn=nms(1000, 1000),
        rcnn=dict(
            score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100,
            mask_thr_binary=0.5,
        ),
    ),
)


def extractor(size: int) -> Tree:
    """RoIAlign over the four finest maps."""
    return dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=size, sampling_ratio=0), out_channels=256,
        featmap_strides=[4, 8, 16, 32],
    )


def box_head(norm: Tree, stds: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2), **more: object) -> Tree:
    """Four convolutions, one linear layer; L1 loss on the code, a box for each class."""
    return {
        **dict(
            type='Shared4Conv1FCBBoxHead', in_channels=256, conv_out_channels=256,
            fc_out_channels=1024, roi_feat_size=7, num_classes=80, norm_cfg=norm,
            bbox_coder=deltas(*stds), reg_class_agnostic=False,
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type='L1Loss', loss_weight=1.0),
        ),
        **more,
    }


def matched(iou: float, low_quality: bool) -> Tree:
    """Training of a box head: a proposal is an object from this overlap on."""
    return dict(
        assigner=dict(
            type='MaxIoUAssigner', pos_iou_thr=iou, neg_iou_thr=iou, min_pos_iou=iou,
            match_low_quality=low_quality, ignore_iof_thr=-1,
        ),
        sampler=sampler(512, 0.25, with_truth=True), mask_size=28, pos_weight=-1, debug=False,
    )


def _roi_head(kind: str, mask_norm: Tree | None, **boxes: object) -> Tree:
    norm = {} if mask_norm is None else dict(norm_cfg=mask_norm)
    return dict(
        type=kind, bbox_roi_extractor=extractor(7), mask_roi_extractor=extractor(14),
        mask_head=dict(
            type='FCNMaskHead', num_convs=4, in_channels=256, conv_out_channels=256, num_classes=80,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True, loss_weight=1.0), **norm,
        ),
        **boxes,
    )


def mask_rcnn(head: Tree, low_quality: bool, mask_norm: Tree | None) -> Tree:
    """One box head; ``low_quality``: whether an object keeps its best proposal below .5."""
    return combine(
        DETECTOR,
        dict(
            type='MaskRCNN', roi_head=_roi_head('StandardRoIHead', mask_norm, bbox_head=head),
            train_cfg=dict(rcnn=matched(0.5, low_quality)),
        ),
    )


def cascade(heads: list[Tree], weights: list[float], mask_norm: Tree | None) -> Tree:
    """Three box heads, one after the other."""
    roi_head = _roi_head(
        'CascadeRoIHead', mask_norm,
        num_stages=3, stage_loss_weights=weights, bbox_head=heads,
    )
    return combine(
        DETECTOR,
        dict(
            type='CascadeRCNN', roi_head=roi_head,
            train_cfg=dict(rcnn=[matched(iou, low_quality=False) for iou in (0.5, 0.6, 0.7)]),
        ),
    )
