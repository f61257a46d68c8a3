"""What all processes of a run agree on."""

import os

import pytest

from mae_transfer.compat.distributed import init_process_group, leave_process_group
from mae_transfer.processes import control_group as control
from mae_transfer.processes.agreement import Agreement
from mae_transfer.processes.control_group import control_group
from tests.support.ranks import run_ranks


def test_agreement__of_a_single_process_is_its_own_number():
    agreement = Agreement()
    assert control_group() is None
    assert [agreement.exchange(number) for number in (0, 15, 0)] == [0, 15, 0]
    assert (agreement.now(2), agreement.least(7)) == (2, 7)
    agreement.wait()


def agree() -> None:
    init_process_group('pytorch', 'gloo')
    rank = int(os.environ['RANK'])
    agreement = Agreement()
    # The second process has a signal in its second step; both know of it in the third.
    print(*[agreement.exchange(15 * (rank == 1 and step == 1)) for step in range(4)])
    print(agreement.now(0), Agreement().now(rank), agreement.least(rank + 3))
    assert control_group() is control_group()  # one for all who ask
    leave_process_group(failed=False)
    assert control._group is None


@pytest.mark.slow
def test_agreement__of_two_processes_is_one_step_late(tmp_path):
    for output in run_ranks(agree, folder=tmp_path):
        assert output.split() == ['0', '0', '15', '15', '15', '1', '3']
