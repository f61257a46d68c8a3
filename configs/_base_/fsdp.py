"""Shards weights, gradients and optimizer state over all processes, for models beyond one GPU.

List it after a recipe in the bases of a config; it changes nothing else; checkpoints are unsharded.
float16 would need a loss scale that all processes agree on, so the precision is bfloat16.
"""

runner_type = 'FlexibleRunner'
strategy = dict(type='FullyShardStrategy', units=('Block',))
