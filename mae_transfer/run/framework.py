"""Imports the sibling framework that a config needs, and finds registered classes."""

import importlib
import sys
from contextlib import redirect_stdout

from mmengine import registry

FRAMEWORKS = ('mmdet', 'mmseg', 'mmpretrain')
# Our parts that need a framework. The recipes import them too, but a config with custom_imports of
# its own replaces the list of its base.
PARTS = {
    'mmdet': (
        'mae_transfer.data.large_scale_jitter',
        'mae_transfer.data.load_polygons',
        'mae_transfer.heads',
    ),
    'mmpretrain': ('mae_transfer.data.flipped_mixing',),
}


def import_framework(scope: str | None) -> None:
    """Register the parts of the framework that the config needs, and ours."""
    importlib.import_module('mae_transfer')
    if scope in FRAMEWORKS:
        with redirect_stdout(sys.stderr):  # they list other packages to install
            importlib.import_module(f'{scope}.utils').register_all_modules(init_default_scope=False)
            for part in PARTS.get(scope, ()):
                importlib.import_module(part)


def registries() -> list:
    """List the root registries of mmengine."""
    return [value for value in vars(registry).values() if isinstance(value, registry.Registry)]


def find_class(scope: str | None, name: str) -> object | None:
    """Find the class that a config calls ``name`` in its framework's and MMEngine's registries."""
    import_framework(scope)
    for root in registries():
        # Not every registry has a child of the framework, and MMEngine's search for one warns.
        if (found := root.children.get(scope, root).get(name)) is not None:
            return found
    return None
