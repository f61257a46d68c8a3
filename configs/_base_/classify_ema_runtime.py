"""Runtime of classification that evaluates a running mean of the weights."""

_base_ = './classify_runtime.py'

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='EMAHook', momentum=1e-4),  # share of the new weights: 1 - .9999
]
