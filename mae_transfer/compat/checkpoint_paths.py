"""Keeps a checkpoint from naming files for removal that do not belong to its run.

MMEngine's CheckpointHook goes on with the paths in a resumed checkpoint: it removes ``best_ckpt``
when a better one is written, wherever that is, also the original's after a run was copied.
"""

from pathlib import Path
from typing import Any

BEST_KEY = 'best_ckpt'  # begins the names of entries, as there can be one for each metric
BEST_NAME = 'best_'  # begins the names of the files


def keep_own_paths(path: Path, content: Any) -> None:
    """Let the content of a checkpoint name best checkpoints beside it, and steps by number alone.

    Args:
        path: The file.
        content: What was read from it, changed in place.
    """
    hub = content.get('message_hub') if isinstance(content, dict) else None
    info = hub.get('runtime_info') if isinstance(hub, dict) else None
    if not isinstance(info, dict):
        return
    for name in [name for name in info if isinstance(name, str) and name.startswith(BEST_KEY)]:
        beside = path.parent / str(info[name]).replace('\\', '/').rpartition('/')[2]
        if beside.name.startswith(BEST_NAME) and beside.exists():
            info[name] = str(beside)
        else:
            del info[name]
    if 'keep_ckpt_ids' in info:
        ids = info['keep_ckpt_ids']
        ids = ids if isinstance(ids, list | tuple) else []
        info['keep_ckpt_ids'] = [step for step in ids if type(step) is int]
