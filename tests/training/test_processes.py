"""Which process of a run this is, from what launchers set; and alone, every answer is one's own."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from labelfree.errors import TrainingError
from labelfree.planning.auto_values import PIXELS_OF_A_VIEW, _batch
from labelfree.planning.environment import command
from labelfree.training.processes import CODE_FILE, Process, agreed, broadcast, gathered, may_speak, this_process, together, wait

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "node1", "MASTER_PORT": "29400"}
BATCH_SCRIPT = {"SLURM_JOB_ID": "1234567", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_NODELIST": "gpu[07-08]"}
SRUN = BATCH_SCRIPT | {
    "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_STEP_NODELIST": "gpu[07-08]",
}  # fmt: skip


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith("SLURM_") or name in TORCHRUN:
            monkeypatch.delenv(name)
    return monkeypatch


def put(launched: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        launched.setenv(name, value)


def test_torchrun_says_who_this_is(launched: pytest.MonkeyPatch) -> None:
    put(launched, TORCHRUN)
    assert this_process() == Process(5, 8, 1, "node1", 29400, ("torchrun", "--nnodes", "2", "--nproc-per-node", "4", "-m"))
    assert not this_process().first and not may_speak(2)


def test_srun_says_who_this_is(launched: pytest.MonkeyPatch) -> None:
    put(launched, SRUN)
    assert this_process() == Process(3, 4, 1, "gpu07", 15000 + 4567, ("srun", "--ntasks", "4"))


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("localhost", "localhost"), ("a1,a2", "a1"), ("gpu[07-09,12],cpu1", "gpu07"), ("n[3]", "n3"), ("r-[1,4]-ib,x", "r-1-ib")],
)
def test_the_first_node_is_where_all_meet(nodes: str, first: str, launched: pytest.MonkeyPatch) -> None:
    put(launched, SRUN | {"SLURM_STEP_NODELIST": nodes})
    assert this_process().address == first


@pytest.mark.parametrize("variables", [{}, BATCH_SCRIPT, {"RANK": "0", "WORLD_SIZE": "1"}], ids=["shell", "batch", "torchrun of one"])
def test_an_ordinary_process_is_alone_and_starts_nothing(variables: dict[str, str], launched: pytest.MonkeyPatch) -> None:
    put(launched, variables)
    assert this_process().world == 1 and may_speak(2)
    with together() as here:
        assert here.first and agreed(True) and not agreed(False)
        assert broadcast("told") == "told" and gathered(3) == [3]
        wait()


def test_processes_that_never_meet_are_told_where_they_looked(launched: pytest.MonkeyPatch) -> None:
    launched.setattr("labelfree.training.processes.MEETING", timedelta(seconds=1))
    put(launched, TORCHRUN | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"})
    with pytest.raises(TrainingError, match=r"process 5 of 8 cannot reach 127\.0\.0\.1:1 "), together():
        pass


def test_auto_batches_are_shared_equally(launched: pytest.MonkeyPatch) -> None:
    alone = _batch(333, PIXELS_OF_A_VIEW).value
    put(launched, TORCHRUN)
    assert _batch(333, PIXELS_OF_A_VIEW).value == alone // 8 * 8 and "8 processes" in _batch(333, PIXELS_OF_A_VIEW).reason
    assert _batch(3, PIXELS_OF_A_VIEW).value == 8


def test_the_command_that_is_kept_starts_all_processes(launched: pytest.MonkeyPatch) -> None:
    launched.setattr("sys.argv", ["/somewhere/labelfree/__main__.py", "run", "mine.yaml"])
    assert command() == "labelfree run mine.yaml"
    put(launched, TORCHRUN)
    assert command() == "torchrun --nnodes 2 --nproc-per-node 4 -m labelfree run mine.yaml"
    launched.setenv(CODE_FILE, "code")
    assert command() == "python -m labelfree.torchrun --nnodes 2 --nproc-per-node 4 -m labelfree run mine.yaml"
