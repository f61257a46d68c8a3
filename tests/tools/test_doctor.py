"""The doctor: what works is right, and what breaks when it is called is found."""

import importlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tools import doctor
from tools.doctor import BrokenError, Finding, run_check


def fail(*args, **kwargs):
    raise RuntimeError('undefined symbol: _ZN2at4_ops5zeros4callE\nsecond line')


@pytest.fixture
def fake_extension(monkeypatch):
    """Put another extension under mmcv's RoIAlign and NMS."""
    importlib.import_module('mae_transfer')
    importlib.import_module('mmcv.ops')

    def replace(**functions) -> None:
        for name in ('mmcv.ops.roi_align', 'mmcv.ops.nms'):
            monkeypatch.setattr(sys.modules[name], 'ext_module', SimpleNamespace(**functions))

    return replace


def test_check_roi_align__works_here():
    assert 'forward and backward are correct' in doctor.check_roi_align()


def test_check_nms__works_here():
    assert 'keeps the correct boxes' in doctor.check_nms()


def test_check_training_step__works_here():
    assert 'AdamW' in doctor.check_training_step()


@pytest.mark.parametrize('check', [doctor.check_roi_align, doctor.check_nms])
def test_checks__see_an_extension_that_fails_when_called(fake_extension, check):
    fake_extension(roi_align_forward=fail, roi_align_backward=fail, nms=fail)
    finding = run_check('op', check, 'compile it again')
    assert not finding.ok
    assert finding.found == 'RuntimeError: undefined symbol: _ZN2at4_ops5zeros4callE'
    assert finding.remedy == 'compile it again'


def test_check_roi_align__sees_wrong_numbers(fake_extension):
    fake_extension(roi_align_forward=lambda x, rois, output, *rest, **options: output.fill_(1))
    with pytest.raises(BrokenError, match='the bins are'):
        doctor.check_roi_align()


def test_check_roi_align__sees_a_backward_pass_that_does_nothing(fake_extension):
    from mae_transfer.compat import mmcv_ops

    fake_extension(
        roi_align_forward=mmcv_ops.roi_align_forward, roi_align_backward=lambda *args, **kw: None
    )
    with pytest.raises(BrokenError, match='gradient of 4 bins'):
        doctor.check_roi_align()


def test_check_nms__sees_wrong_boxes(fake_extension):
    fake_extension(nms=lambda boxes, scores, **options: torch.tensor([0, 1, 2]))
    with pytest.raises(BrokenError, match=r'keeps the boxes \[0, 1, 2\], not \[1, 2\]'):
        doctor.check_nms()


@pytest.mark.parametrize(
    ('ops', 'expected'),
    [('/env/mmcv/_ext.so', 'do not fit this torch'), ('torchvision', 'torch torchvision')],
)
def test_mend_ops__depends_on_whose_ops_are_broken(monkeypatch, ops, expected):
    monkeypatch.setattr(doctor, '_find_ops', lambda: ops)
    assert expected in doctor._mend_ops()


def test_check_packages__names_the_wrong_one_and_the_command(monkeypatch):
    versions = doctor.load_compat('versions')
    real = versions.installed_version
    monkeypatch.setattr(
        versions, 'installed_version', lambda name: '0.9' if name == 'timm' else real(name)
    )
    broken = [finding for finding in doctor.check_packages() if not finding.ok]
    assert [finding.name for finding in broken] == ['timm']
    assert broken[0].found.startswith('0.9, needs <2,>=1.0.9, tested ')
    assert 'pip install -c' in broken[0].remedy


def test_describe_environment__names_torch_and_the_ops():
    environment = doctor.describe_environment()
    assert environment['torch'] == torch.__version__
    assert 'ops of mmcv' in environment


def test_main__exit_code_and_json(monkeypatch, tmp_path, capsys):
    path = tmp_path / 'doctor.json'
    checks = [('good', lambda: 'fine', 'none'), ('bad', fail, 'mend the bad one')]
    monkeypatch.setattr(doctor, 'list_checks', lambda: checks)
    monkeypatch.setattr(doctor, 'check_packages', list)
    assert doctor.main(['--json', str(path)]) == 1
    report = json.loads(path.read_text())
    assert report['ok'] is False
    assert [finding['ok'] for finding in report['findings']] == [True, False]
    assert report['findings'][1]['remedy'] == 'mend the bad one'
    assert 'BROKEN  bad: RuntimeError: undefined symbol' in capsys.readouterr().out

    monkeypatch.setattr(doctor, 'list_checks', lambda: checks[:1])
    assert doctor.main([]) == 0
    assert 'Everything works.' in capsys.readouterr().out


def test_main__a_wrong_package_is_enough_to_fail(monkeypatch):
    monkeypatch.setattr(doctor, 'list_checks', list)
    monkeypatch.setattr(doctor, 'check_packages', lambda: [Finding('timm', False, '0.9', 'pip')])
    assert doctor.main([]) == 1


def is_alive(pid: str) -> bool:
    status = Path(f'/proc/{pid}/status')
    return status.exists() and 'State:\tZ' not in status.read_text()


def program(code: str) -> list[str]:
    """Build a command that stands for torchrun and needs no torch, so that the test is quick."""
    return [sys.executable, '-S', '-c', code]


def test_check_all_reduce__ends_what_hangs(tmp_path):
    pid = tmp_path / 'pid'
    rank = 'import time; time.sleep(60)'
    code = (
        'import subprocess, sys; rank = subprocess.Popen([sys.executable, "-S", "-c", '
        f'{rank!r}]); open({str(pid)!r}, "w").write(str(rank.pid)); rank.wait()'
    )
    with pytest.raises(BrokenError, match='no answer in 1 s; network interface: '):
        doctor.check_all_reduce(1, program(code))
    for _ in range(50):
        if not is_alive(pid.read_text()):
            return
        time.sleep(0.1)
    pytest.fail('the rank still runs')


def test_check_all_reduce__says_what_a_rank_says():
    code = 'print("starting"); print("[rank1]: RuntimeError: no such interface"); exit(1)'
    with pytest.raises(
        BrokenError, match=r'exit code 1: \[rank1\]: RuntimeError: no such interface'
    ):
        doctor.check_all_reduce(60, program(code))


def test_check_all_reduce__sees_a_wrong_sum():
    with pytest.raises(BrokenError, match=r"1 \+ 2 gave \['2', '2'\]"):
        doctor.check_all_reduce(60, program('print("sum: 2\\nsum: 2")'))


@pytest.mark.slow
def test_check_all_reduce__works_here():
    assert doctor.check_all_reduce() == 'two processes agree over gloo'


@pytest.mark.slow
def test_check_frameworks__works_here():
    assert doctor.check_frameworks() == 'mmpretrain, mmdet and mmseg import'
