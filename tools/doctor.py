"""Report the installed packages, test that they work, and say how to fix broken ones.

An extension that was compiled for another torch can be imported but fails when it is called, so the
checks make calls: RoIAlign, NMS, a training step, an all-reduce between two processes, and a kernel
on every GPU. The exit code is 0 if everything works and 1 otherwise.

    python tools/doctor.py [--json FILE]
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import importlib.util
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]  # the checkout, or .mim of an installed package
PACKAGE = ROOT.parent if ROOT.name == '.mim' else ROOT / 'mae_transfer'
REQUIREMENTS = ROOT / 'requirements'
PIP = f'{sys.executable} -m pip install -c {REQUIREMENTS / "constraints.txt"}'
RANK_OPTION = '--run-all-reduce-rank'


@dataclass(frozen=True)
class Finding:
    """Result of a check."""

    name: str
    ok: bool
    found: str
    remedy: str = ''
    """What to do; empty if there is nothing to fix."""


# Name, function that returns the result, and the remedy or a function that returns it.
Check = tuple[str, Callable[[], str], 'str | Callable[[], str]']


class BrokenError(Exception):
    """A call returned a wrong result."""


def load_compat(stem: str) -> ModuleType:
    """Load one file of ``mae_transfer/compat`` alone.

    ``import mae_transfer`` runs the version check, which fails on the very stack that needs a
    doctor.
    """
    name = f'mae_transfer_doctor_{stem}'
    if name not in sys.modules:
        path = PACKAGE / 'compat' / f'{stem}.py'
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None, path
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def describe_environment() -> dict[str, str]:
    """Collect the facts for a bug report: Python, torch, devices, the source of mmcv's ops."""
    environment = {
        'Python': f'{platform.python_version()} ({sys.executable})',
        'platform': platform.platform(),
        'CPU cores': str(os.cpu_count()),
    }
    try:
        import torch
    except Exception as error:  # importing a broken build may raise anything
        return environment | {'torch': f'broken: {_first_line(error)}'}
    environment['torch'] = torch.__version__
    environment['torch threads'] = (
        f'{torch.get_num_threads()} ({torch.backends.cpu.get_cpu_capability()})'
    )
    environment['CUDA of torch'] = torch.version.cuda or 'none: a build for CPUs'
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    environment['GPUs'] = (
        ', '.join(torch.cuda.get_device_name(index) for index in range(num_gpus)) or 'none'
    )
    environment['ops of mmcv'] = describe_ops()
    return environment


def describe_ops() -> str:
    """Describe which RoIAlign and NMS mmcv uses."""
    try:
        source = _find_ops()
    except Exception as error:
        return f'unknown: {_first_line(error)}'
    if source == 'torchvision':
        return "torchvision's RoIAlign and NMS, mmcv is not compiled"
    return f'compiled: {source}'


def check_packages() -> list[Finding]:
    """Compare every required package with its range and with the tested version."""
    versions = load_compat('versions')
    if versions.installed_version('packaging') is None:
        absent = versions.Package('packaging', '', None, ok=False)
        fix = versions.fixing_command([absent], {})
        return [Finding('packaging', False, 'missing, so versions cannot be compared', fix)]
    packages = versions.inspect_packages()
    shadows = versions.find_shadows()
    fix = versions.fixing_command([package for package in packages if not package.ok], shadows)
    findings = [_check_python(versions)]
    for package in packages:
        tested = versions.tested_version(package.name)
        found = f'{package.found or "missing"}, needs {package.required or "any version"}'
        if tested is not None:
            found += f', tested {tested}'
        findings.append(Finding(package.name, package.ok, found, '' if package.ok else fix))
    for old, new in shadows.items():
        found = f'{versions.installed_version(old)} overwrites files of {new}'
        findings.append(Finding(old, False, found, fix))
    return findings


def _check_python(versions: ModuleType) -> Finding:
    version = platform.python_version()
    ok = versions.is_python_supported(version)
    remedy = f'create an environment with Python {versions.PYTHON_RANGE}'
    return Finding('Python', ok, f'{version}, needs {versions.PYTHON_RANGE}', '' if ok else remedy)


def check_frameworks() -> str:
    """Import the models of the three sibling frameworks.

    Returns:
        What was found.
    """
    importlib.import_module('mae_transfer')
    for name in ('mmpretrain.models', 'mmdet.models', 'mmseg.models'):
        try:
            importlib.import_module(name)
        except Exception as error:
            raise BrokenError(f'import {name} fails: {_first_line(error)}') from error
    return 'mmpretrain, mmdet and mmseg import'


def check_roi_align(device: str = 'cpu') -> str:
    """Call RoIAlign on a case with a known answer, forward and backward.

    On the map ``10 y + x`` bilinear samples are exact. The box (2, 2, 6, 4) has bins with centers
    x = 3, 5 and y = 2.5, 3.5, which are half a pixel less in the coordinates of the pixels.
    """
    import torch

    importlib.import_module('mae_transfer')
    from mmcv.ops import roi_align

    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(9.0), indexing='ij')
    x = (10 * rows + columns)[None, None].to(device).requires_grad_()
    rois = torch.tensor([[0.0, 2.0, 2.0, 6.0, 4.0]], device=device)
    pooled = roi_align(x, rois, (2, 2), 1.0, 2, 'avg', True)
    expected = torch.tensor([[22.5, 24.5], [32.5, 34.5]])
    if not torch.allclose(pooled.detach()[0, 0].cpu(), expected, atol=1e-4):
        raise BrokenError(
            f'the bins are {pooled.flatten().tolist()}, not {expected.flatten().tolist()}'
        )
    pooled.sum().backward()
    if x.grad is None or abs(x.grad.sum().item() - 4) > 1e-4:
        raise BrokenError('the gradient of 4 bins does not sum to 4')
    return f'forward and backward are correct ({_find_ops()})'


def check_nms(device: str = 'cpu') -> str:
    """Call NMS on three boxes, of which the first overlaps the better second by 90 / 110."""
    import torch

    importlib.import_module('mae_transfer')
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]], device=device)
    scores = torch.tensor([0.8, 0.9, 0.5], device=device)
    _, kept = nms(boxes, scores, iou_threshold=0.5)
    if kept.tolist() != [1, 2]:
        raise BrokenError(f'NMS keeps the boxes {kept.tolist()}, not [1, 2]')
    return f'keeps the correct boxes ({_find_ops()})'


def check_training_step(device: str = 'cpu') -> str:
    """Run one step of AdamW on a small PlainViT, under bfloat16 autocast."""
    import torch

    from mae_transfer.backbones.plain_vit import PlainViT

    torch.manual_seed(0)
    arch = {'embed_dims': 32, 'num_layers': 2, 'num_heads': 2}
    model = PlainViT(arch=arch, img_size=32, patch_size=8).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    before = model.patch_embed.proj.weight.detach().clone()
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        (features,) = model(torch.randn(2, 3, 32, 40, device=device))
        loss = (features.float() - 1).square().mean()
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    optimizer.step()
    if not torch.isfinite(loss) or not all(torch.isfinite(g).all() for g in gradients):
        raise BrokenError(f'loss {loss.item()} or its gradient is not finite')
    if torch.equal(before, model.patch_embed.proj.weight):
        raise BrokenError('the step did not change the patch embedding')
    return f'bfloat16 forward, backward and AdamW, loss {loss.item():.3f}'


def check_all_reduce(timeout_s: float = 300.0, command: Sequence[str] | None = None) -> str:
    """Sum one number per rank over two processes with gloo.

    Args:
        timeout_s: Time limit for both, in seconds; most of it is spent importing torch.
        command: Starts the ranks, each of which prints a line 'sum: S'. None means torchrun, which
            chooses a free port and ends both ranks if one of them fails.

    Raises:
        BrokenError: A rank failed, the sum is wrong, or there was no answer in time.
    """
    command = command or [
        *(sys.executable, '-m', 'torch.distributed.run', '--nnodes=1', '--nproc-per-node=2'),
        *('--rdzv-backend=c10d', '--rdzv-endpoint=localhost:0', '--local-addr=localhost'),
        *(str(Path(__file__).resolve()), RANK_OPTION),
    ]
    # Without GPUs, as a machine may have fewer than two.
    environment = os.environ | {'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    with tempfile.TemporaryFile('w+') as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # torchrun and both ranks
            process.wait()
            interface = os.environ.get('GLOO_SOCKET_IFNAME', 'chosen by gloo')
            raise BrokenError(
                f'no answer in {timeout_s:g} s; network interface: {interface}'
            ) from None
        output.seek(0)
        lines = output.read().splitlines()
    if process.returncode:
        errors = [line for line in lines if re.match(r'(\[rank\d\]: )?[\w.]+Error: ', line)]
        said = (errors or lines or [''])[0].strip()
        raise BrokenError(f'the ranks failed with exit code {process.returncode}: {said}')
    sums = [line.removeprefix('sum: ') for line in lines if line.startswith('sum: ')]
    if sums != ['3', '3']:
        raise BrokenError(f'1 + 2 gave {sums}')
    return 'two processes agree over gloo'


def run_all_reduce_rank() -> None:
    """Act as one rank of :func:`check_all_reduce`: sum rank + 1 over the ranks and print it."""
    import torch
    import torch.distributed as dist

    load_compat('distributed').init_process_group('pytorch', backend='gloo', timeout_s=60)
    number = torch.tensor(dist.get_rank() + 1)
    dist.all_reduce(number)
    dist.destroy_process_group()
    sys.stdout.write(f'sum: {number.item()}\n')  # in one write, as both ranks share a file


def check_gpu(index: int) -> str:
    """Multiply matrices on a GPU: the shortest way to 'no kernel image is available'."""
    import torch

    device = torch.device('cuda', index)
    major, minor = torch.cuda.get_device_capability(device)
    x = torch.eye(64, device=device) * 2
    if (x @ x).sum().item() != 256:
        raise BrokenError('a matrix product is wrong')
    return f'{torch.cuda.get_device_name(device)}, capability {major}.{minor}, multiplies matrices'


def run_check(name: str, check: Callable[[], str], remedy: str | Callable[[], str]) -> Finding:
    """Run a check and turn its result or error into a finding.

    Args:
        name: Subject of the check.
        check: Returns a description of the result; raises if something is broken.
        remedy: What to do if it fails; a function is called only then.
    """
    try:
        return Finding(name, True, check())
    except Exception as error:  # any kind of failure is a finding
        found = str(error) if isinstance(error, BrokenError) else _first_line(error)
        return Finding(name, False, found, remedy if isinstance(remedy, str) else remedy())


def list_checks() -> list[Check]:
    """List name, check and remedy in the order in which they run."""
    checks: list[Check] = [
        ('RoIAlign', check_roi_align, _mend_ops),
        ('NMS', check_nms, _mend_ops),
        ('frameworks', check_frameworks, f'{PIP} -r {REQUIREMENTS / "runtime.txt"}'),
        ('training step', check_training_step, f'{PIP} --force-reinstall torch torchvision'),
        (
            'all-reduce',
            check_all_reduce,
            'allow connections to 127.0.0.1 (firewall, container), or set the network interface: '
            'export GLOO_SOCKET_IFNAME=lo',
        ),
    ]
    for index in range(_count_gpus()):
        device = f'cuda:{index}'
        driver = 'install a torch build for this GPU and driver; see the selector on pytorch.org'
        checks += [
            (f'GPU {index}', partial(check_gpu, index), driver),
            (f'GPU {index} RoIAlign', partial(check_roi_align, device), _mend_ops),
            (f'GPU {index} NMS', partial(check_nms, device), _mend_ops),
            (f'GPU {index} training step', partial(check_training_step, device), driver),
        ]
    return checks


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the environment and the findings.

    Returns:
        The exit code: 0 when everything works, 1 otherwise.
    """
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)  # a broken extension may end the process: say where
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--json', metavar='FILE', help='also write the findings to this file')
    parser.add_argument(RANK_OPTION, action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run_all_reduce_rank:
        run_all_reduce_rank()
        return 0

    environment = describe_environment()
    print('Environment')
    for key, value in environment.items():
        print(f'  {key:14} {value}')
    print('Packages')
    findings = check_packages()
    for finding in findings:
        print(_format_finding(finding))
    print('Checks')
    line_end = '\r' if sys.stdout.isatty() else '\n'
    for name, check, remedy in list_checks():
        # Print the name first, as a broken extension may end the process.
        print(f'  ...     {name}', end=line_end, flush=True)
        finding = run_check(name, check, remedy)
        print(_format_finding(finding), flush=True)
        findings.append(finding)

    broken = [finding for finding in findings if not finding.ok]
    remedies = list(dict.fromkeys(finding.remedy for finding in broken))
    print('\nEverything works.' if not broken else f'\n{len(broken)} broken. To fix it:')
    for remedy in remedies:
        print(f'  {remedy}')
    if options.json:
        report = {
            'ok': not broken,
            'environment': environment,
            'findings': [asdict(finding) for finding in findings],
        }
        Path(options.json).write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    return 1 if broken else 0


def _format_finding(finding: Finding) -> str:
    state = 'ok' if finding.ok else 'BROKEN'
    return f'  {state:7} {finding.name}: {finding.found}'


def _mend_ops() -> str:
    """Choose the remedy for RoIAlign and NMS, which depends on who provides them."""
    if describe_ops().startswith('compiled'):
        return (
            "the compiled ops of mmcv do not fit this torch; without them torchvision's are used: "
            f'{PIP} --force-reinstall --no-deps --no-cache-dir onedl-mmcv'
        )
    return f'{PIP} --force-reinstall torch torchvision onedl-mmcv'


def _find_ops() -> str:
    importlib.import_module('mae_transfer')
    from mae_transfer.compat.mmcv_ops import find_ops

    return find_ops()


def _count_gpus() -> int:
    try:
        import torch
    except Exception:  # reported by the environment and the other checks
        return 0
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or ['']
    return f'{type(error).__name__}: {lines[0]}'


if __name__ == '__main__':
    sys.path.insert(0, str(PACKAGE.parent))
    sys.exit(main())
