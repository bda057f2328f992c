"""`python -m labelfree.torchrun ... -m labelfree` from the command line: one run, told once, stopped and resumed as one."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from labelfree.pretraining.fit import checkpoint_step
from labelfree.training import processes
from labelfree.training.files import read_json
from labelfree.training.processes import CODE_FILE, may_speak

SECONDS = 240  # a launch may take on a busy machine


def torchrun(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "labelfree.torchrun", "--standalone", "--nproc-per-node", "2", "-m", "labelfree", *arguments]
    return started(command, cwd, {})


def srun(*arguments: str, cwd: Path) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    step = {"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost"}
    tasks = [{**step, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "MASTER_PORT": str(port)} for rank in range(2)]
    return [started([sys.executable, "-m", "labelfree", *arguments], cwd, task) for task in tasks]


def started(command: list[str], cwd: Path, variables: dict[str, str]) -> subprocess.Popen[str]:
    alone = {"OMP_NUM_THREADS": "1"} | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})
    return subprocess.Popen(
        command, cwd=cwd, env=os.environ | alone | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def pretraining(pictures: Path, out: Path, steps: int) -> list[str]:
    return [
        "pretrain", "satellite_dino", f"data.root={pictures}", "backbone.name=test_resnet", "backbone.init=random",
        "evaluate.arms=[random, domain]", "evaluate.primary.arm=domain", "evaluate.primary.against=random", f"pretrain.steps={steps}",
        "pretrain.minutes=null", "pretrain.batch_size=8", "pretrain.size=32", "pretrain.checkpoint_minutes=0.005",
        "pretrain.check_every=2", "pretrain.on_collapse=warn", "pretrain.options={hidden: 64, local_crops: 2}", "--out", str(out),
    ]  # fmt: skip


def output(process: subprocess.Popen[str]) -> str:
    """What it prints to its end; after a time-out it is stopped and the test fails."""
    try:
        return process.communicate(timeout=SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        raise


@pytest.mark.slow
def test_two_processes_carry_out_one_run(pictures: Path, tmp_path: Path) -> None:
    """Takes 15 seconds or more: three processes import torch, two of them train."""
    process = torchrun(*pretraining(pictures, tmp_path / "run", 6), cwd=tmp_path)
    told = output(process)
    assert process.returncode == 0, told
    repeated = [line for line, times in Counter(told.splitlines()).items() if times > 1]
    assert not repeated and "Warning" not in told, told
    assert len(list((tmp_path / "run" / "backbones").glob("*.safetensors"))) == 1
    assert len(list((tmp_path / "run").rglob("*tfevents*"))) == 1
    assert read_json(tmp_path / "run" / "state.json")["status"] == "finished"
    assert read_json(tmp_path / "run" / "environment.json")["command"].startswith(
        "python -m labelfree.torchrun --nproc-per-node 2 -m labelfree pretrain "
    )
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rows = [(row["step"], row["name"]) for row in csv.DictReader(file)]
    assert len(set(rows)) == len(rows) and {step for step, _ in rows} == {"1", "3", "5"}


@pytest.mark.slow
def test_sigterm_stops_both_and_the_run_goes_on(pictures: Path, tmp_path: Path) -> None:
    """The signal goes to torchrun, which hands it on and ends with the code that the run ended with."""
    run = tmp_path / "run"
    process = torchrun(*pretraining(pictures, run, 60), cwd=tmp_path)
    checkpoint = run / "checkpoints" / "domain-0.ckpt"
    while not checkpoint.is_file():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    told = output(process)
    assert process.returncode == 75 and "Traceback" not in told, told
    assert told.count("it is saved.") == 1 and f"labelfree resume {run}" in told, told
    assert 0 < checkpoint_step(checkpoint) < 60
    assert read_json(run / "state.json")["status"] == "unfinished"
    again = torchrun("resume", str(run), cwd=tmp_path)
    told = output(again)
    assert again.returncode == 0, told
    assert read_json(run / "state.json")["status"] == "finished"


@pytest.mark.slow
def test_tasks_of_srun_stop_together_with_75_and_go_on(pictures: Path, tmp_path: Path) -> None:
    """Two tasks with the variables that a step of srun sets; the signal goes to the second alone."""
    run = tmp_path / "run"
    tasks = srun(*pretraining(pictures, run, 60), cwd=tmp_path)
    checkpoint = run / "checkpoints" / "domain-0.ckpt"
    while not checkpoint.is_file():
        assert all(task.poll() is None for task in tasks), [task.communicate()[0] for task in tasks]
        time.sleep(0.05)
    tasks[1].send_signal(signal.SIGTERM)
    told = [output(task) for task in tasks]
    assert [task.returncode for task in tasks] == [75, 75], told
    assert "".join(told).count(f"it is saved. Go on with: labelfree resume {run}") == 1, told
    tasks = srun("resume", str(run), cwd=tmp_path)
    told = [output(task) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], told
    assert read_json(run / "state.json")["status"] == "finished" and not told[1]


@pytest.mark.slow
def test_a_mistake_is_told_once(pictures: Path, tmp_path: Path) -> None:
    process = torchrun(*pretraining(pictures, tmp_path / "run", 6), "pretrain.batch_size=9", cwd=tmp_path)
    told = output(process)
    assert told.count("9 images cannot be shared equally by 2 processes; take 8 or 10.") == 1, told
    assert process.returncode == 2 and not (tmp_path / "run").exists()


def test_torchrun_ends_with_the_code_of_the_run_and_adds_no_word(tmp_path: Path) -> None:
    process = torchrun("run", "satellite_dino", "pretrain.epochs=3", cwd=tmp_path)
    assert output(process) == "pretrain.epochs=3: pretrain.epochs is not a key; did you mean pretrain.steps?\n"
    assert process.returncode == 2


def test_a_process_that_dies_without_a_word_gives_the_code_of_its_signal(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    options = ["--standalone", "--nproc-per-node", "2", "dies.py"]
    process = started([sys.executable, "-m", "labelfree.torchrun", *options], tmp_path, {})
    assert output(process) == "" and process.returncode == 128 + signal.SIGKILL


def test_the_first_process_that_fails_speaks_and_leaves_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes._Speaker, "may", None)
    assert may_speak(3)  # started by nobody who asks
    monkeypatch.setenv(CODE_FILE, str(tmp_path / "code"))
    assert may_speak(4) and not may_speak(75)
    assert (tmp_path / "code").read_text() == "4"


def test_what_befalls_another_process_before_all_have_met_is_told_by_that_one(tmp_path: Path) -> None:
    """Rank 0 is slow to begin, and torchrun ends it once the other has failed."""
    (tmp_path / "slow.py").write_text(
        "import os, time, labelfree.cli as cli\n"
        "if os.environ['RANK'] == '0':\n"
        "    cli._console = lambda: time.sleep(60)\n"
        "cli.main(['run', 'satellite_dino', 'pretrain.epochs=3'])\n"
    )
    process = started([sys.executable, "-m", "labelfree.torchrun", "--standalone", "--nproc-per-node", "2", "slow.py"], tmp_path, {})
    assert output(process) == "pretrain.epochs=3: pretrain.epochs is not a key; did you mean pretrain.steps?\n"
    assert process.returncode == 2
