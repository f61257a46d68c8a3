"""Adapts the installed stack; ``install`` makes every change that importing the package requires.

- ``versions``: check that every package of the stack is in the supported range.
- ``mmcv_ops``: use torchvision's RoIAlign and NMS if mmcv was installed without compiled ops.
- ``distributed``: start process groups on machines without CUDA.
- ``pickle_names``: list the names that a pickle of NumPy arrays may contain.
- ``atomic_write``: write files that are complete or absent, even if a run is killed.
- ``safe_load``, ``runner_load``: read checkpoints without running code in them.
- ``checkpoint_paths``: let no checkpoint have files of others removed.
- ``config_text``: never run the text of a config that a checkpoint holds.
- ``history``: bound what MMEngine keeps of the numbers that a run logs.
- ``config_package``: let other configs inherit ours as ``mae_transfer::PATH``.
- ``moved``: redirect imports of the modules of earlier releases.
"""


def install() -> None:
    """Apply every change that importing mae_transfer makes outside itself, process-wide.

    1. The installed packages are compared with the supported ranges; an ImportError names what is
       missing or out of range.
    2. ``mmcv._ext`` is torchvision's RoIAlign and NMS, if no compiled extension is found.
    3. MMEngine's storage backend 'local' writes a temporary file and renames it.
    4. MMEngine's readers of checkpoints (``load_from``, ``resume`` and ``Pretrained``) refuse files
       that need pickled code or are damaged, and leave out paths to files of other runs.
    5. ``Config.fromstring`` refuses the text of a config that came with a checkpoint.
    6. MMEngine's ``HistoryBuffer`` keeps the newest values and the sums of the older ones.
    7. MMEngine finds configs that ``_base_`` or ``mmengine.hub`` name as ``mae_transfer::PATH``.
    8. Importing a module by its name in an earlier release raises an error with the new name.

    Calling it again has no effect.

    Raises:
        ImportError: The installed stack does not fit.
    """
    from mae_transfer.compat import versions

    versions.check_versions()  # before anything that needs torch: it reports a missing torch

    from mae_transfer.compat import (
        atomic_write,
        config_package,
        config_text,
        history,
        mmcv_ops,
        moved,
        runner_load,
    )

    mmcv_ops.install()
    atomic_write.install()
    runner_load.install()
    config_text.install()
    history.install()
    config_package.install()
    moved.install()
