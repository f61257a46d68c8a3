"""Mask R-CNN and Cascade Mask R-CNN after the pyramid: MMDetection's parts, as recipes use them."""

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
    """Proposals per level before the suppression, and per picture after it."""
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
            sampler=sampler(256, 0.5, with_truth=False), allowed_border=-1, pos_weight=-1,
            debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=nms(1000, 1000),
        rcnn=dict(
            score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100,
            mask_thr_binary=0.5,
        ),
    ),
)




def proposals(assigner: Tree, kept: int) -> Tree:
    """Training of the RPN: which anchors are objects, and how many proposals it passes on."""
    return dict(train_cfg=dict(rpn=dict(assigner=assigner), rpn_proposal=nms(2000, kept)))


# The best anchors of an object need an overlap of .3 (MMDetection), or of any size (Detectron2).
MMDETECTIONS_ANCHORS = dict(
    type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3,
    match_low_quality=True, ignore_iof_thr=-1,
)
DETECTRON2S_ANCHORS = dict(type='BestAnchorAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3)
# Initial weights of Detectron2's box heads; MMDetection's configs state none.
DETECTRON2S_START = dict(
    type='Caffe2Xavier', layer='Linear',
    override=[
        dict(type='Normal', name='fc_cls', std=0.01), dict(type='Normal', name='fc_reg', std=0.001)
    ],
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


def matched(iou: float, low_quality: bool, number: int = 512, positive: float = 0.25) -> Tree:
    """Training of a box head: a proposal is an object from this overlap on."""
    return dict(
        assigner=dict(
            type='MaxIoUAssigner', pos_iou_thr=iou, neg_iou_thr=iou, min_pos_iou=iou,
            match_low_quality=low_quality, ignore_iof_thr=-1,
        ),
        sampler=sampler(number, positive, with_truth=True), mask_size=28, pos_weight=-1,
        debug=False,
    )


def _roi_head(kind: str, mask: str, mask_norm: Tree | None, **boxes: object) -> Tree:
    norm = {} if mask_norm is None else dict(norm_cfg=mask_norm)
    return dict(
        type=kind, bbox_roi_extractor=extractor(7), mask_roi_extractor=extractor(14),
        mask_head=dict(
            type=mask, num_convs=4, in_channels=256, conv_out_channels=256, num_classes=80,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True, loss_weight=1.0), **norm,
        ),
        **boxes,
    )


def detectron2s_mask_rcnn(norm: Tree) -> Tree:
    """One box head; the loss sees an object in a proposal from an overlap of .5 on."""
    head = box_head(norm, init_cfg=DETECTRON2S_START)
    return combine(
        DETECTOR, proposals(DETECTRON2S_ANCHORS, 1000),
        dict(
            type='MaskRCNN',
            roi_head=_roi_head('StandardRoIHead', 'SmallLogitsMaskHead', norm, bbox_head=head),
            train_cfg=dict(rcnn=matched(0.5, low_quality=False)),
        ),
    )


def mmdetections_mask_rcnn(head: Tree, kept: int, mask_norm: Tree | None) -> Tree:
    """One box head; an object also keeps its best proposal below an overlap of .5."""
    return combine(
        DETECTOR, proposals(MMDETECTIONS_ANCHORS, kept),
        dict(
            type='MaskRCNN',
            roi_head=_roi_head('StandardRoIHead', 'FCNMaskHead', mask_norm, bbox_head=head),
            train_cfg=dict(rcnn=matched(0.5, low_quality=True)),
        ),
    )


def detectron2s_cascade(norm: Tree) -> Tree:
    """Three box heads, of which the later two see all boxes of the one before."""
    heads = [
        box_head(
            norm, stds=(1 / w, 1 / w, 2 / w, 2 / w), reg_class_agnostic=True,
            init_cfg=DETECTRON2S_START,
        )
        for w in (10, 20, 30)
    ]
    stages = [
        matched(0.5, False), matched(0.6, False, 1024, 1.0), matched(0.7, False, 1024, 1.0)
    ]
    return combine(
        DETECTOR, proposals(DETECTRON2S_ANCHORS, 1000),
        _cascade('SmallLogitsMaskHead', norm, heads, [1 / 3] * 3, stages),
    )


def mmdetections_cascade(heads: list[Tree], kept: int) -> Tree:
    """Three box heads, of which each draws boxes anew."""
    stages = [matched(iou, False) for iou in (0.5, 0.6, 0.7)]
    return combine(
        DETECTOR, proposals(MMDETECTIONS_ANCHORS, kept),
        _cascade('FCNMaskHead', None, heads, [1, 0.5, 0.25], stages),
    )


def _cascade(
    mask: str, mask_norm: Tree | None, heads: list[Tree], weights: list[float], stages: list[Tree]
) -> Tree:
    roi_head = _roi_head(
        'CascadeRoIHead', mask, mask_norm,
        num_stages=3, stage_loss_weights=weights, bbox_head=heads,
    )
    return dict(type='CascadeRCNN', roi_head=roi_head, train_cfg=dict(rcnn=stages))
