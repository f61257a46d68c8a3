"""The demo's recipes, which are this project's own: scenes of 64 x 64 pixels with ten digits."""

from tests.configs_suite.leaves.coco import ANNOTATIONS, META_KEYS
from tests.configs_suite.leaves.coco import PACK as PACK_BOXES
from tests.configs_suite.leaves.imagenet import LOAD, MEAN, NORMALIZE, PACK, STD
from tests.configs_suite.leaves.mask_rcnn import CHANNEL_LN, box_head, mmdetections_mask_rcnn
from tests.configs_suite.leaves.runtime import PRETRAINING, run_of
from tests.configs_suite.leaves.schedules import cosine_alone, half_cosine, until
from tests.configs_suite.leaves.segmentation import upernet
from tests.configs_suite.leaves.training import COLLATE, evaluation, loader, optimizer
from tests.configs_suite.leaves.tree import Tree, change, combine

# Values that belong together share a line.
# fmt: off

SCENES = 'data/demo-scenes'
DIGITS = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')


def iterations(scope: str, batch: int, interval: int, *parts: tuple, **more: object) -> Tree:
    """A run that counts iterations and keeps one checkpoint."""
    run = run_of(scope, batch, *parts, interval=interval, max_keep_ckpts=1, by_epoch=False, **more)
    return combine(run, dict(log_processor=dict(by_epoch=False)))


def training(batch: int, dataset: Tree, pipeline: list, **more: object) -> Tree:
    """Loader of training data."""
    args = dict(train=True, endless=True, persistent_workers=True, **more)
    return loader(batch, 1, dataset, pipeline, **args)


def adamw(no_decay: list[str], weight_decay: float, **more: object) -> Tree:
    """AdamW in full precision."""
    settings = dict(type='AdamW', lr=1e-3, weight_decay=weight_decay)
    return optimizer(no_decay, amp=False, **settings, **more)


# ---- pre-training, and CAE's tokenizer

UNLABELLED = dict(type='CustomDataset', data_root=f'{SCENES}/unlabelled', with_label=False)
VALIDATION = dict(UNLABELLED, data_root=f'{SCENES}/images/validation')
AREA = dict(crop_ratio_range=(0.47, 1.0), aspect_ratio_range=(0.9, 1.1))
CROP = dict(type='RandomResizedCrop', scale=64, **AREA)
ENCODER = dict(
    type='PlainViT', arch=dict(embed_dims=128, num_layers=6, num_heads=4), img_size=64,
    patch_size=8, pos_embed='sincos_xy',
)
MAE = combine(
    iterations(
        'mmpretrain', 32, 500, PRETRAINING,
        hooks=(dict(type='ReconstructionHook', num_images=8, interval=500),),
    ),
    half_cosine(2000, 100, dict(eta_min=0.0), start=0.001, by_epoch=False),
    dict(
        model=dict(
            type='MaskedAutoencoder',
            data_preprocessor=dict(type='SelfSupDataPreprocessor', **NORMALIZE), backbone=ENCODER,
            neck=dict(
                type='MAEDecoder', encoder_dims=128, grid=(8, 8), out_dims=8 * 8 * 3, embed_dims=64,
                num_layers=2, num_heads=4,
            ),
            target_generator=dict(type='PixelTarget', patch_size=8, norm_pix=False),
            head=dict(type='MaskedPatchLoss'), mask_ratio=0.75,
        ),
        train_dataloader=training(32, UNLABELLED, [LOAD, CROP, PACK], drop_last=True, **COLLATE),
        optim_wrapper=adamw(['1d', 'bias'], 0.05, betas=(0.9, 0.95)),
    ),
)
SIZES = dict(num_codes=128, embed_dims=64, hidden_dims=64, num_layers=2, num_blocks=2)
LIKELIHOOD = dict(type='SquaredErrorLikelihood')
CAE = change(
    MAE,
    {
        'model': dict(
            type='ContextAutoencoder',
            data_preprocessor=dict(
                type='TwoNormDataPreprocessor', **NORMALIZE, second_mean=MEAN, second_std=STD
            ),
            backbone=dict(ENCODER, pos_embed='sincos_yx', qkv_bias='no-key', layer_scale_init=0.1),
            neck=dict(
                type='ContextNeck', encoder_dims=128, grid=(8, 8), out_dims=128, embed_dims=128,
                num_heads=4, regressor_layers=2, decoder_layers=2,
            ),
            target_generator=dict(
                type='TokenTarget', tokenizer=dict(type='DiscreteVAE', head=LIKELIHOOD, **SIZES),
                checkpoint='work_dirs/demo/seed-0/tokenizer', image_mean=MEAN, image_std=STD,
                view_size=32,
            ),
            head=dict(type='ContextLoss', reconstruction=dict(type='TokenLoss'), align_weight=2.0),
            mask_ratio=0.5, masking=dict(type='BlockMasking', min_block=4),
        ),
        'train_dataloader.dataset.pipeline.1': dict(
            type='TwoSizeCrop', scale=64, second_scale=32, **AREA
        ),
        'optim_wrapper.optimizer.betas': (0.9, 0.999),
        'optim_wrapper.clip_grad': dict(max_norm=3.0),
    },
)
RESIZE = dict(type='Resize', scale=32, interpolation='area')
TOKENIZER = combine(
    iterations(
        'mmpretrain', 64, 250, PRETRAINING,
        hooks=(
            dict(type='AnnealHook', name='temperature', start=1.0, end=1 / 16, length=750),
            dict(type='AnnealHook', name='kl_weight', start=0.0, end=0.5, length=250),
            dict(type='TokenizerReconstructionHook', num_images=8, interval=250),
        ),
        encoder=False,
    ),
    cosine_alone(1000, lowest=0.0),
    evaluation(
        loader(50, 1, VALIDATION, [LOAD, RESIZE, PACK], train=False, **COLLATE),
        type='TokenizerMetric', num_codes=128,
    ),
    dict(
        model=dict(type='DiscreteVAE', head=LIKELIHOOD, **SIZES),
        train_dataloader=training(
            64, UNLABELLED, [LOAD, dict(CROP, scale=32, interpolation='area'), PACK],
            drop_last=True, **COLLATE,
        ),
        train_cfg=dict(val_interval=1000),
        optim_wrapper=adamw([], 1e-4, betas=(0.9, 0.999)),
    ),
)

# ---- the tasks, 600 iterations of eight pictures

FINE_TUNED = dict(ENCODER, freeze_pos_embed=False, final_norm=True, drop_path_rate=0.1)
JITTER = [
    dict(type='RandomResize', scale=(64, 64), ratio_range=(0.8, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(64, 64)),
]
WHOLE = dict(type='Resize', scale=(64, 64), keep_ratio=True)


def task(scope: str, weight_decay: float) -> Tree:
    """What both tasks share."""
    no_decay = ['1d', 'bias', 'pos_embed', 'cls_token']
    return combine(
        iterations(scope, 8, 150),
        half_cosine(600, 30, dict(eta_min=0.0), start=0.001, by_epoch=False),
        dict(
            train_cfg=dict(val_interval=600),
            optim_wrapper=adamw(no_decay, weight_decay, layer_decay=0.9, clip=1.0),
        ),
    )


def scenes(split: str, folder: str, **more: object) -> Tree:
    """The scenes with their boxes and masks."""
    return dict(
        type='CocoDataset', data_root=SCENES, ann_file=f'annotations/instances_{split}.json',
        data_prefix=dict(img=f'images/{folder}/'), metainfo=dict(classes=DIGITS), **more,
    )


BOX_HEAD = box_head(
    CHANNEL_LN, in_channels=32, conv_out_channels=32, fc_out_channels=256, num_classes=10
)
NARROW = {
    'rpn_head.in_channels': 32, 'rpn_head.feat_channels': 32,
    'rpn_head.anchor_generator.scales': [4],
    'rpn_head.anchor_generator.strides': [2, 4, 8, 16, 32],
    **{
        f'roi_head.{kind}_roi_extractor.{key}': value
        for kind in ('bbox', 'mask')
        for key, value in (
            ('out_channels', 32), ('featmap_strides', [2, 4, 8, 16]), ('finest_scale', 14)
        )
    },
    'roi_head.mask_head.num_convs': 2, 'roi_head.mask_head.in_channels': 32,
    'roi_head.mask_head.conv_out_channels': 32, 'roi_head.mask_head.num_classes': 10,
    'train_cfg.rpn.sampler.num': 128, 'train_cfg.rcnn.sampler.num': 32,
    'train_cfg.rpn_proposal.nms_pre': 300, 'train_cfg.rpn_proposal.max_per_img': 200,
    'test_cfg.rpn.nms_pre': 300, 'test_cfg.rpn.max_per_img': 200,
}
BOXES_OF_ALL = [LOAD, WHOLE, ANNOTATIONS, dict(PACK_BOXES, meta_keys=META_KEYS)]
DETECT = combine(
    task('mmdet', 0.1),
    evaluation(
        loader(8, 1, scenes('val', 'validation', test_mode=True), BOXES_OF_ALL, train=False),
        type='FasterCocoMetric', ann_file=f'{SCENES}/annotations/instances_val.json',
        metric=['bbox', 'segm'],
    ),
    dict(
        model=combine(
            change(mmdetections_mask_rcnn(BOX_HEAD, 1000, mask_norm=CHANNEL_LN), NARROW),
            dict(
                data_preprocessor=dict(pad_size_divisor=8), backbone=FINE_TUNED,
                neck=dict(
                    type='SimpleFPN', in_channels=128, out_channels=32, num_outs=5,
                    norm_cfg=CHANNEL_LN,
                ),
            ),
        ),
        train_dataloader=training(
            8, scenes('train', 'training', filter_cfg=dict(filter_empty_gt=True, min_size=8)),
            [LOAD, ANNOTATIONS, *JITTER, PACK_BOXES],
        ),
    ),
)

LABELS, PACK_LABELS = dict(type='LoadAnnotations'), dict(type='PackSegInputs')
ONE_CLASS = dict(type='MapLabels', label_map={0: 0} | {digit: 1 for digit in range(1, 11)})


def label_maps(split: str) -> Tree:
    """The scenes with a label for each pixel."""
    return dict(
        type='BaseSegDataset', data_root=SCENES, img_suffix='.png', seg_map_suffix='.png',
        data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'annotations/{split}'),
        metainfo=dict(classes=('background', 'digit'), palette=[[0, 0, 0], [230, 25, 75]]),
        reduce_zero_label=False,
    )


LABELS_OF_ALL = [LOAD, WHOLE, LABELS, ONE_CLASS, PACK_LABELS]
SEGMENT = combine(
    task('mmseg', 0.05),
    evaluation(
        loader(8, 1, label_maps('validation'), LABELS_OF_ALL, train=False),
        type='IoUMetric', iou_metrics=['mIoU'],
    ),
    dict(
        model=combine(
            upernet(128, (32, 32), 64, 42, 2, 'BN'),
            dict(backbone=dict(FINE_TUNED, out_indices=(1, 2, 3, 5))),
        ),
        train_dataloader=training(
            8, label_maps('training'), [LOAD, LABELS, ONE_CLASS, *JITTER, PACK_LABELS]
        ),
    ),
)
OF_CAE = {
    'model.backbone.pos_embed': 'sincos_yx', 'model.backbone.qkv_bias': 'no-key',
    'model.backbone.layer_scale_init': 0.1,
}
LONGER = until(3600, warm=180, counter='max_iters')

RECIPES = {
    'demo/mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py': MAE,
    'demo/mae_vit-demo-p8_1xb32-coslr-3600i_scenes-64x64.py': change(MAE, LONGER),
    'demo/cae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64.py': CAE,
    'demo/dvae_conv-demo-p4_1xb64-coslr-1000i_scenes-32x32.py': TOKENIZER,
    'demo/mask-rcnn_vit-demo-p8_mae-pre_simple-fpn_1xb8-600i_scenes-64x64.py': DETECT,
    'demo/mask-rcnn_vit-demo-p8_cae-pre_simple-fpn_1xb8-600i_scenes-64x64.py': change(
        DETECT, OF_CAE
    ),
    'demo/upernet_vit-demo-p8_mae-pre_1xb8-600i_scenes-64x64.py': SEGMENT,
    'demo/upernet_vit-demo-p8_cae-pre_1xb8-600i_scenes-64x64.py': change(SEGMENT, OF_CAE),
}
