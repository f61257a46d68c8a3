"""Settings that every run shares, in any framework: registration, hooks, logs, seed."""

custom_imports = dict(imports=['mae_transfer'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    random_state=dict(type='RandomStateHook'),
    bad_files=dict(type='BadFilesHook'),
    nonfinite=dict(type='NonFiniteGuardHook'),
    preemption=dict(type='PreemptionHook'),
)
custom_hooks = [dict(type='LoadAccountHook'), dict(type='EncoderMetadataHook')]

env_cfg = dict(
    cudnn_benchmark=True,  # each recipe trains at one image size
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl', timeout=600),  # seconds,
)
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
log_level = 'INFO'
load_from = None
resume = False

# Each process draws its own masks, drop paths and mixups; all start from the same weights.
randomness = dict(seed=0, diff_rank_seed=True, deterministic=False)
