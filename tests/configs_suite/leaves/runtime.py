"""What every run has, whatever it trains: hooks, environment, seed, what is shown and saved."""

from tests.configs_suite.leaves.tree import Tree, combine

VISUALIZERS = {
    'mmpretrain': 'UniversalVisualizer',
    'mmdet': 'DetLocalVisualizer',
    'mmseg': 'SegLocalVisualizer',
}
PRETRAINING = ('mae_transfer.pretrain',)  # registers what only pre-training needs
CLASSIFICATION = ('mae_transfer', 'mae_transfer.data.flipped_mixing')
DETECTRON2S_RECIPES = (
    'mae_transfer',
    'mae_transfer.data.large_scale_jitter',
    'mae_transfer.data.load_polygons',
    'mae_transfer.heads',
)
EVERY_RUN = dict(
    default_hooks=dict(
        timer=dict(type='IterTimerHook'),
        logger=dict(type='LoggerHook', interval=50),
        param_scheduler=dict(type='ParamSchedulerHook'),
        checkpoint=dict(type='AtomicCheckpointHook'),
        sampler_seed=dict(type='DistSamplerSeedHook'),
        random_state=dict(type='RandomStateHook'),
        bad_files=dict(type='BadFilesHook'),
        nonfinite=dict(type='NonFiniteGuardHook'),
        preemption=dict(type='PreemptionHook'),
    ),
    env_cfg=dict(
        cudnn_benchmark=True,
        mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
        dist_cfg=dict(backend='nccl', timeout=600),
    ),
    log_level='INFO',
    load_from=None,
    resume=False,
)
# A task whose training counts iterations: logs and checkpoints count them, too.
COUNTS_ITERATIONS = dict(
    default_hooks=dict(logger=dict(log_metric_by_epoch=False), checkpoint=dict(by_epoch=False)),
    log_processor=dict(type='LogProcessor', window_size=50, by_epoch=False),
)
# Weights sharded over the GPUs.
FSDP = {
    'optim_wrapper.dtype': 'bfloat16',
    'runner_type': 'FlexibleRunner',
    'strategy': dict(type='FullyShardStrategy', units=['Block']),
}


def run_of(
    scope: str,
    batch: int,
    imports: tuple[str, ...] = ('mae_transfer',),
    hooks: tuple[Tree, ...] = (),
    encoder: bool = True,
    seed: int = 0,
    **checkpoint: object,
) -> Tree:
    """The frame of a run.

    Args:
        scope: The framework whose names the config uses.
        batch: Pictures of an optimizer step, on all GPUs together.
        imports: The modules that register our parts.
        hooks: Besides those that all runs have.
        encoder: Whether there is an encoder, whose sizes are saved with its weights.
        seed: Of the first process; each has its own.
        checkpoint: How often and how many are saved.
    """
    sizes = [dict(type='EncoderMetadataHook')] if encoder else []
    frame = dict(
        default_scope=scope,
        randomness=dict(seed=seed, diff_rank_seed=True, deterministic=False),
        custom_imports=dict(imports=list(imports), allow_failed_imports=False),
        auto_scale_lr=dict(base_batch_size=batch, enable=False),
        default_hooks=dict(checkpoint=checkpoint),
        custom_hooks=[dict(type='LoadAccountHook'), *sizes, *hooks],
        visualizer=dict(
            type=VISUALIZERS[scope],
            vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
        ),
    )
    return combine(EVERY_RUN, frame)
