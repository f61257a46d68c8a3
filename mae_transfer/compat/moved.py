"""Reports the new names of moved modules when an old name is imported."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = 'mae_transfer.'
# Old module in the package -> new place of its contents.
MOVED = {
    'data.scenes': 'mae_transfer.demo.scenes',
    'data.scene_render': 'mae_transfer.demo.scene_render',
    'data.scene_writers': 'mae_transfer.demo.scene_writers',
    'layers.layer_norm2d': 'timm.layers (LayerNorm2d)',
    'layers.window': 'timm.models.vision_transformer_sam (window_partition, window_unpartition)',
    'necks.rpn_with_norm': 'mae_transfer.heads.rpn_with_norm',
    'optim.accumulation': 'mae_transfer.loops.accumulation',
    'report': 'mae_transfer.run.metric_names and mae_transfer.demo.results',
    'transfer': 'mae_transfer.necks (pyramids, probes, norms) and mae_transfer.checkpoints '
    '(reading, loading, exporting)',
}


class _MovedFinder(MetaPathFinder):
    """Handles names that no other finder knows and that were modules of this package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = MOVED.get(fullname.removeprefix(PACKAGE)) if fullname.startswith(PACKAGE) else None
        if new is not None:
            raise ImportError(f'{fullname} was removed: its contents are in {new}', name=fullname)
        return None


def install() -> None:
    """Make imports by old names fail with the new one. Calling it again has no effect."""
    if not any(isinstance(finder, _MovedFinder) for finder in sys.meta_path):
        sys.meta_path.append(_MovedFinder())
