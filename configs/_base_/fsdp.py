"""Weights, gradients and optimizer state spread over all processes: for models beyond one GPU.

Put it behind a recipe: everything else stays, and so do the checkpoints, which are whole. float16
would need a loss scale that all processes agree on, so the precision is bfloat16.
"""

runner_type = 'FlexibleRunner'
strategy = dict(type='FullyShardStrategy', units=('Block',))
