"""What every run has, whatever it trains: hooks, environment, seed, what is shown and saved."""

from tests.configs_suite.leaves.tree import Tree, combine

VISUALIZERS = {
    'mmpretrain': 'UniversalVisualizer',
    'mmdet': 'DetLocalVisualizer',
    'mmseg': 'SegLocalVisualizer',
}
EVERY_RUN = dict(
    default_hooks=dict(
        timer=dict(type='IterTimerHook'),
        logger=dict(type='LoggerHook', interval=50),
        param_scheduler=dict(type='ParamSchedulerHook'),
        checkpoint=dict(type='AtomicCheckpointHook'),
        sampler_seed=dict(type='DistSamplerSeedHook'),
    ),
    env_cfg=dict(
        cudnn_benchmark=True,
        mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
        dist_cfg=dict(backend='nccl'),
    ),
    log_level='INFO',
    load_from=None,
    resume=False,
    randomness=dict(seed=0, diff_rank_seed=True, deterministic=False),
)
# A task whose training counts iterations: what is logged and saved does, too.
COUNTS_ITERATIONS = dict(
    default_hooks=dict(logger=dict(log_metric_by_epoch=False), checkpoint=dict(by_epoch=False)),
    log_processor=dict(type='LogProcessor', window_size=50, by_epoch=False),
)
# Weights shared out over the GPUs.
FSDP = {
    'optim_wrapper.dtype': 'bfloat16',
    'runner_type': 'FlexibleRunner',
    'strategy': dict(type='FullyShardStrategy', units=['Block']),
}


def run_of(scope: str, batch: int, checkpoint: Tree, imports: str, hooks: tuple = ()) -> Tree:
    """The frame of a run.

    Args:
        scope: The framework whose names the config uses.
        batch: Pictures of an optimizer step, on all GPUs together.
        checkpoint: How often and how many are saved.
        imports: The module that registers our parts.
        hooks: Besides the two that every encoder has.
    """
    first = (dict(type='LoadAccountHook'), dict(type='EncoderMetadataHook'))
    frame = dict(
        default_scope=scope,
        custom_imports=dict(imports=[imports], allow_failed_imports=False),
        auto_scale_lr=dict(base_batch_size=batch, enable=False),
        default_hooks=dict(checkpoint=checkpoint),
        custom_hooks=[*first, *hooks],
        visualizer=dict(
            type=VISUALIZERS[scope],
            vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
        ),
    )
    return combine(EVERY_RUN, frame)


def evaluation(loader: Tree, metric: Tree) -> Tree:
    """Validation and test, which are the same data and the same metric."""
    return dict(
        val_dataloader=loader,
        test_dataloader=loader,
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
