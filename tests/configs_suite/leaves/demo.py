"""The demo's recipes, which are this project's own: scenes of 64 x 64 pixels with ten digits."""

from tests.configs_suite.leaves import mask_rcnn
from tests.configs_suite.leaves.imagenet import LOAD, MEAN, NORMALIZE, PACK, STD
from tests.configs_suite.leaves.runtime import evaluation, run_of
from tests.configs_suite.leaves.schedules import cosine_alone, half_cosine, until
from tests.configs_suite.leaves.segmentation import upernet
from tests.configs_suite.leaves.tree import Tree, change, combine

SCENES = 'data/demo-scenes'
DIGITS = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')
SHOWN = dict(num_images=8, interval=500)


def frame(scope: str, batch: int, interval: int, imports: str, hooks: tuple = ()) -> Tree:
    """What all of them share: they count iterations and keep one checkpoint."""
    checkpoint = dict(interval=interval, max_keep_ckpts=1, by_epoch=False)
    run = run_of(scope, batch, checkpoint, imports, hooks)
    return combine(run, dict(log_processor=dict(by_epoch=False)))


def optimizer(weight_decay: float, **more: object) -> Tree:
    """AdamW in full precision."""
    return dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=1e-3, weight_decay=weight_decay),
        constructor='LayerDecayOptimWrapperConstructor',
        **more,
    )


def training(batch: int, dataset: Tree, pipeline: list, **more: object) -> Tree:
    """Loader of training data."""
    return dict(
        batch_size=batch,
        num_workers=1,
        persistent_workers=True,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(dataset, pipeline=pipeline),
        **more,
    )


def validation(batch: int, dataset: Tree, pipeline: list, **more: object) -> Tree:
    """Loader of validation data."""
    return dict(
        batch_size=batch,
        num_workers=1,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(dataset, pipeline=pipeline),
        **more,
    )


# ---- pre-training

UNLABELLED = dict(type='CustomDataset', data_root=f'{SCENES}/unlabelled', with_label=False)
TOGETHER = dict(collate_fn=dict(type='default_collate'))
CROP = dict(crop_ratio_range=(0.47, 1.0), aspect_ratio_range=(0.9, 1.1))
ENCODER = dict(
    type='PlainViT',
    arch=dict(embed_dims=128, num_layers=6, num_heads=4),
    img_size=64,
    patch_size=8,
    pos_embed='sincos_xy',
)
MATRICES = dict(paramwise_cfg=dict(no_decay=['1d', 'bias']))
MAE = combine(
    frame(
        'mmpretrain',
        32,
        500,
        'mae_transfer.pretrain',
        hooks=(dict(type='ReconstructionHook', **SHOWN),),
    ),
    half_cosine(2000, 100, dict(eta_min=0.0), start=0.001, by_epoch=False),
    dict(
        model=dict(
            type='MaskedAutoencoder',
            data_preprocessor=dict(type='SelfSupDataPreprocessor', **NORMALIZE),
            backbone=ENCODER,
            neck=dict(
                type='MAEDecoder',
                encoder_dims=128,
                grid=(8, 8),
                out_dims=8 * 8 * 3,
                embed_dims=64,
                num_layers=2,
                num_heads=4,
            ),
            target_generator=dict(type='PixelTarget', patch_size=8, norm_pix=False),
            head=dict(type='MaskedPatchLoss'),
            mask_ratio=0.75,
        ),
        train_dataloader=training(
            32,
            UNLABELLED,
            [LOAD, dict(type='RandomResizedCrop', scale=64, **CROP), PACK],
            drop_last=True,
            **TOGETHER,
        ),
        optim_wrapper=optimizer(0.05, **MATRICES),
    ),
)
MAE['optim_wrapper']['optimizer']['betas'] = (0.9, 0.95)
TOKENIZER_SIZES = dict(num_codes=128, embed_dims=64, hidden_dims=64, num_layers=2, num_blocks=2)
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
                type='ContextNeck',
                encoder_dims=128,
                grid=(8, 8),
                out_dims=128,
                embed_dims=128,
                num_heads=4,
                regressor_layers=2,
                decoder_layers=2,
            ),
            target_generator=dict(
                type='TokenTarget',
                tokenizer=dict(type='DiscreteVAE', head=LIKELIHOOD, **TOKENIZER_SIZES),
                checkpoint='work_dirs/demo/seed-0/tokenizer',
                image_mean=MEAN,
                image_std=STD,
                view_size=32,
            ),
            head=dict(type='ContextLoss', reconstruction=dict(type='TokenLoss'), align_weight=2.0),
            mask_ratio=0.5,
            masking=dict(type='BlockMasking', min_block=4),
        ),
        'train_dataloader.dataset.pipeline.1': dict(
            type='TwoSizeCrop', scale=64, second_scale=32, **CROP
        ),
        'optim_wrapper.optimizer.betas': (0.9, 0.999),
        'optim_wrapper.clip_grad': dict(max_norm=3.0),
    },
)

# ---- the tokenizer

TOKENIZER = change(
    combine(
        frame(
            'mmpretrain',
            64,
            250,
            'mae_transfer.pretrain',
            hooks=(
                dict(type='AnnealHook', name='temperature', start=1.0, end=1 / 16, length=750),
                dict(type='AnnealHook', name='kl_weight', start=0.0, end=0.5, length=250),
                dict(type='TokenizerReconstructionHook', num_images=8, interval=250),
            ),
        ),
        cosine_alone(1000, lowest=0.0),
        evaluation(
            validation(
                50,
                dict(UNLABELLED, data_root=f'{SCENES}/images/validation'),
                [LOAD, dict(type='Resize', scale=32, interpolation='area'), PACK],
                **TOGETHER,
            ),
            dict(type='TokenizerMetric', num_codes=128),
        ),
        dict(
            model=dict(type='DiscreteVAE', head=LIKELIHOOD, **TOKENIZER_SIZES),
            train_dataloader=training(
                64,
                UNLABELLED,
                [
                    LOAD,
                    dict(type='RandomResizedCrop', scale=32, interpolation='area', **CROP),
                    PACK,
                ],
                drop_last=True,
                **TOGETHER,
            ),
            train_cfg=dict(val_interval=1000),
            optim_wrapper=optimizer(1e-4, paramwise_cfg=dict(no_decay=[])),
        ),
    ),
    {'optim_wrapper.optimizer.betas': (0.9, 0.999)},
    without=['custom_hooks.1'],  # no encoder, whose sizes would be saved
)

# ---- the tasks

FINE_TUNED = dict(
    ENCODER, freeze_pos_embed=False, final_norm=True, drop_path_rate=0.1
)  # of the run that the demo names on the command line
JITTER = [
    dict(type='RandomResize', scale=(64, 64), ratio_range=(0.8, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(64, 64)),
]
WHOLE = dict(type='Resize', scale=(64, 64), keep_ratio=True)


def task(scope: str, weight_decay: float) -> Tree:
    """What both tasks share: 600 iterations of eight pictures."""
    return combine(
        frame(scope, 8, 150, 'mae_transfer'),
        half_cosine(600, 30, dict(eta_min=0.0), start=0.001, by_epoch=False),
        dict(
            train_cfg=dict(val_interval=600),
            optim_wrapper=optimizer(
                weight_decay,
                clip_grad=dict(max_norm=1.0),
                paramwise_cfg=dict(
                    no_decay=['1d', 'bias', 'pos_embed', 'cls_token'], layer_decay_rate=0.9
                ),
            ),
        ),
    )


BOXES = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')


def scenes(split: str, folder: str, **more: object) -> Tree:
    """The scenes with their boxes and masks."""
    return dict(
        type='CocoDataset',
        data_root=SCENES,
        ann_file=f'annotations/instances_{split}.json',
        data_prefix=dict(img=f'images/{folder}/'),
        metainfo=dict(classes=DIGITS),
        **more,
    )


NARROW_HEADS = change(
    mask_rcnn.mask_rcnn(
        mask_rcnn.box_head(
            mask_rcnn.CHANNEL_LN,
            in_channels=32,
            conv_out_channels=32,
            fc_out_channels=256,
            num_classes=10,
        ),
        True,
        mask_norm=mask_rcnn.CHANNEL_LN,
    ),
    {
        'rpn_head.in_channels': 32,
        'rpn_head.feat_channels': 32,
        'rpn_head.anchor_generator.scales': [4],
        'rpn_head.anchor_generator.strides': [2, 4, 8, 16, 32],
        **{
            f'roi_head.{kind}_roi_extractor.{key}': value
            for kind in ('bbox', 'mask')
            for key, value in dict(
                out_channels=32, featmap_strides=[2, 4, 8, 16], finest_scale=14
            ).items()
        },
        'roi_head.mask_head.num_convs': 2,
        'roi_head.mask_head.in_channels': 32,
        'roi_head.mask_head.conv_out_channels': 32,
        'roi_head.mask_head.num_classes': 10,
        'train_cfg.rpn.sampler.num': 128,
        'train_cfg.rpn_proposal.nms_pre': 300,
        'train_cfg.rpn_proposal.max_per_img': 200,
        'train_cfg.rcnn.sampler.num': 32,
        'test_cfg.rpn.nms_pre': 300,
        'test_cfg.rpn.max_per_img': 200,
    },
)
DETECT = combine(
    task('mmdet', 0.1),
    evaluation(
        validation(
            8,
            scenes('val', 'validation', test_mode=True),
            [LOAD, WHOLE, BOXES, dict(type='PackDetInputs', meta_keys=META_KEYS)],
        ),
        dict(
            type='FasterCocoMetric',
            ann_file=f'{SCENES}/annotations/instances_val.json',
            metric=['bbox', 'segm'],
        ),
    ),
    dict(
        model=combine(
            NARROW_HEADS,
            dict(
                data_preprocessor=dict(pad_size_divisor=8),
                backbone=FINE_TUNED,
                neck=dict(
                    type='SimpleFPN',
                    in_channels=128,
                    out_channels=32,
                    num_outs=5,
                    norm_cfg=mask_rcnn.CHANNEL_LN,
                ),
            ),
        ),
        train_dataloader=training(
            8,
            scenes('train', 'training', filter_cfg=dict(filter_empty_gt=True, min_size=8)),
            [LOAD, BOXES, *JITTER, dict(type='PackDetInputs')],
        ),
    ),
)

ONE_CLASS = dict(type='MapLabels', label_map={0: 0} | {digit: 1 for digit in range(1, 11)})
LABELS, PACK_LABELS = dict(type='LoadAnnotations'), dict(type='PackSegInputs')


def label_maps(split: str) -> Tree:
    """The scenes with a label for each pixel."""
    return dict(
        type='BaseSegDataset',
        data_root=SCENES,
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=dict(classes=('background', 'digit'), palette=[[0, 0, 0], [230, 25, 75]]),
        reduce_zero_label=False,
        data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'annotations/{split}'),
    )


SEGMENT = combine(
    task('mmseg', 0.05),
    evaluation(
        validation(
            8,
            label_maps('validation'),
            [LOAD, WHOLE, LABELS, ONE_CLASS, PACK_LABELS],
        ),
        dict(type='IoUMetric', iou_metrics=['mIoU']),
    ),
    dict(
        model=combine(
            upernet(128, 32, 64, 2, dict(type='BN', requires_grad=True)),
            dict(backbone=dict(FINE_TUNED, out_indices=(1, 2, 3, 5))),
        ),
        train_dataloader=training(
            8,
            label_maps('training'),
            [LOAD, LABELS, ONE_CLASS, *JITTER, PACK_LABELS],
        ),
    ),
)
OF_CAE = {
    'model.backbone.pos_embed': 'sincos_yx',
    'model.backbone.qkv_bias': 'no-key',
    'model.backbone.layer_scale_init': 0.1,
}

RECIPES = {
    f'demo/{name}.py': tree
    for name, tree in {
        'mae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64': MAE,
        'mae_vit-demo-p8_1xb32-coslr-3600i_scenes-64x64': change(
            MAE, until(3600, warm=180, counter='max_iters')
        ),
        'cae_vit-demo-p8_1xb32-coslr-2000i_scenes-64x64': CAE,
        'dvae_conv-demo-p4_1xb64-coslr-1000i_scenes-32x32': TOKENIZER,
        'mask-rcnn_vit-demo-p8_mae-pre_simple-fpn_1xb8-600i_scenes-64x64': DETECT,
        'mask-rcnn_vit-demo-p8_cae-pre_simple-fpn_1xb8-600i_scenes-64x64': change(DETECT, OF_CAE),
        'upernet_vit-demo-p8_mae-pre_1xb8-600i_scenes-64x64': SEGMENT,
        'upernet_vit-demo-p8_cae-pre_1xb8-600i_scenes-64x64': change(SEGMENT, OF_CAE),
    }.items()
}
