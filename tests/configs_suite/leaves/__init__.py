"""Every leaf of every recipe, stated by hand; see test_leaves.py.

The files of this folder, in the order of reading:

* ``tree.py``: leaves, comparison, parts put together (``combine``), differences (``change``);
* ``top_level.py``: which names at the top of a config are read, and which only help;
* ``runtime.py``, ``training.py``, ``schedules.py``: hooks, seed and environment; loaders and
  optimizers; lengths and learning rates;
* ``imagenet.py``, ``coco.py``, ``mask_rcnn.py``: data, pipelines and heads that families share;
* one file per room of configs/: its families, and each recipe as its differences from a family.

Nothing here is read from the configs or from the packages that they inherit from. The tables next
door (``tests/configs_suite/tables``) state the published numbers a second time, on their own.
"""

from tests.configs_suite.leaves import (
    cifar,
    classification,
    demo,
    detection,
    pretrain,
    segmentation,
)

ROOMS = (pretrain, cifar, classification, detection, segmentation, demo)
STATED = {path: tree for room in ROOMS for path, tree in room.RECIPES.items()}
