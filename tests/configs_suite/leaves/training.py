"""A loader, an optimizer, weights and a metric, as the configs of every room write them."""

from tests.configs_suite.leaves.tree import Tree

COLLATE = dict(collate_fn=dict(type='default_collate'))  # MMPretrain's


def loader(
    batch: int,
    workers: int,
    dataset: Tree,
    pipeline: list[Tree],
    train: bool,
    endless: bool = False,
    **more: object,
) -> Tree:
    """A data loader.

    Args:
        batch: Pictures of one GPU and pass.
        workers: Processes of one GPU.
        dataset: Without its pipeline.
        pipeline: Its transforms.
        train: Whether the pictures are shuffled.
        endless: Whether the sampler counts no epochs.
        more: What only some loaders have.
    """
    return dict(
        batch_size=batch,
        num_workers=workers,
        sampler=dict(type='InfiniteSampler' if endless else 'DefaultSampler', shuffle=train),
        dataset=dict(dataset, pipeline=pipeline),
        **more,
    )


def optimizer(
    no_decay: list[str],
    layer_decay: float | None = None,
    clip: float | None = None,
    amp: bool = True,
    **settings: object,
) -> Tree:
    """An optimizer in its wrapper.

    Args:
        no_decay: Which parameters the weight decay leaves out.
        layer_decay: Factor of the learning rate from block to block; None = not stated.
        clip: Largest norm of the gradient; None = not clipped.
        amp: Whether the forward pass runs in float16.
        settings: Of the optimizer itself.
    """
    rates = {} if layer_decay is None else dict(layer_decay_rate=layer_decay)
    clipped = {} if clip is None else dict(clip_grad=dict(max_norm=clip))
    kind = dict(type='AutocastOptimWrapper', dtype='float16') if amp else dict(type='OptimWrapper')
    return dict(
        optimizer=settings,
        constructor='LayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(no_decay=no_decay, **rates),
        **clipped,
        **kind,
    )


def evaluation(data: Tree, **metric: object) -> Tree:
    """Validation and test, which are the same data and the same metric."""
    return dict(
        val_dataloader=data,
        test_dataloader=data,
        val_evaluator=metric,
        test_evaluator=metric,
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
    )


def both(differences: Tree) -> Tree:
    """A difference of the validation's and the test's data loader."""
    return {
        f'{split}_dataloader.{key}': value
        for split in ('val', 'test')
        for key, value in differences.items()
    }


PRETRAINED = dict(type='PretrainedViT', checkpoint='checkpoints/mae_pretrain_vit_base.pth')


def loads(file: str) -> Tree:
    """The difference of the weights of another encoder."""
    return {'model.backbone.init_cfg.checkpoint': f'checkpoints/{file}.pth'}
