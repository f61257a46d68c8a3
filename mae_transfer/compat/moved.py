"""Where the modules of earlier releases are now: an old import fails with the new name."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = 'mae_transfer.'
# Old module below the package -> where what it held is now.
MOVED = {
    'data.scenes': 'mae_transfer.demo.scenes',
    'data.scene_render': 'mae_transfer.demo.scene_render',
    'data.scene_writers': 'mae_transfer.demo.scene_writers',
    'report': 'mae_transfer.run.metric_names and mae_transfer.demo.results',
    'transfer': 'mae_transfer.necks (pyramids, probes, norms) and mae_transfer.checkpoints '
    '(reading, loading, exporting)',
}


class _MovedFinder(MetaPathFinder):
    """Answers for names that no other finder knows, and that were modules of this package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = MOVED.get(fullname.removeprefix(PACKAGE)) if fullname.startswith(PACKAGE) else None
        if new is not None:
            raise ImportError(f'{fullname} is gone: what it held is in {new}', name=fullname)
        return None


def install() -> None:
    """Let imports by old names fail with the new one. Calling it again changes nothing."""
    if not any(isinstance(finder, _MovedFinder) for finder in sys.meta_path):
        sys.meta_path.append(_MovedFinder())
