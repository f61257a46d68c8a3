"""What the installed stack lacks, and nothing else: both journeys stand on it.

- ``versions``: every package of the stack is inside the range this release was written for.
- ``mmcv_ops``: RoIAlign and NMS of torchvision where mmcv was installed without compiled ops.
- ``distributed``: a process group on machines without CUDA.
- ``atomic_write``: files that are whole or not there, whenever a run is killed.

The rooms of mae_transfer import these modules by name; nothing is re-exported here, so that the
version check runs before anything heavy is imported.
"""
