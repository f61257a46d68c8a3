"""What the installed stack lacks, and the one door through which this package changes it.

- ``versions``: every package of the stack is inside the range this release was written for.
- ``mmcv_ops``: RoIAlign and NMS of torchvision where mmcv was installed without compiled ops.
- ``distributed``: a process group on machines without CUDA.
- ``pickle_names``: what a pickle of NumPy arrays may name.
- ``atomic_write``: files that are whole or not there, whenever a run is killed.
- ``safe_load``, ``runner_load``: checkpoints are read without running code that they contain.
- ``config_package``: configs of others inherit ours by ``mae_transfer::PATH``.
- ``moved``: where the modules of earlier releases are now.
"""


def install() -> None:
    """Apply every change that importing mae_transfer makes outside itself, for the whole process.

    1. The installed packages are compared with the supported ranges; an ImportError names what is
       missing or out of range.
    2. ``mmcv._ext`` is torchvision's RoIAlign and NMS, if no compiled one is found.
    3. MMEngine's storage backend 'local' writes a file beside its place and moves it there.
    4. MMEngine's readers of checkpoints ('' and 'http(s)://', and so ``load_from``, ``resume`` and
       ``Pretrained``) refuse files that need pickled code.
    5. MMEngine finds configs that ``_base_`` or ``mmengine.hub`` name as ``mae_transfer::PATH``.
    6. Importing a module by its name of an earlier release says where it is now.

    Calling it again changes nothing.

    Raises:
        ImportError: The installed stack does not fit.
    """
    from mae_transfer.compat import versions

    versions.check_versions()  # before anything that needs torch: where it is missing, this says so

    from mae_transfer.compat import atomic_write, config_package, mmcv_ops, moved, runner_load

    mmcv_ops.install()
    atomic_write.install()
    runner_load.install()
    config_package.install()
    moved.install()
