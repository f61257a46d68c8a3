"""The recipes, one file per room of configs/.

Each file has:

* ``RECIPES``: config -> the optimizer's numbers, for every recipe of the room;
* ``FACTS``: config -> {dotted key: value}, the other numbers, where a config states them first
  (a config that only differs from another in length needs no second list);
* ``ORDERS``: config -> transforms that draw random numbers, in the published order;
* ``RUNS``: the configs, one of a kind, that are trained and evaluated for one epoch or iteration,
  with the metrics that the evaluation must give.

All are written by hand from the papers and from their released code, not from the configs.
"""

from tests.configs_suite.tables import (
    cae,
    cifar,
    classification,
    detection,
    fsdp,
    pretrain,
    segmentation,
)

TABLES = (pretrain, cae, cifar, classification, detection, segmentation, fsdp)
RECIPES = {path: row for table in TABLES for path, row in table.RECIPES.items()}
FACTS = {path: facts for table in TABLES for path, facts in table.FACTS.items()}
ORDERS = {path: order for table in TABLES for path, order in table.ORDERS.items()}
RUNS = {path: metrics for table in TABLES for path, metrics in table.RUNS.items()}
