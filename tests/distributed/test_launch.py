"""`torchrun ... -m labelfree` from the command line: one run, told once, stopped and resumed as one."""

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
from labelfree.training.files import read_json

SECONDS = 240  # a launch may take on a busy machine


def torchrun(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "labelfree", *arguments]
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
        "pretrain", "satellite_dino", f"data.root={pictures}", "backbone.name=resnet10t", "backbone.init=random",
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
    assert read_json(tmp_path / "run" / "environment.json")["command"].startswith("torchrun --nproc-per-node 2 -m labelfree pretrain ")
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rows = [(row["step"], row["name"]) for row in csv.DictReader(file)]
    assert len(set(rows)) == len(rows) and {step for step, _ in rows} == {"1", "3", "5"}


@pytest.mark.slow
def test_sigterm_stops_both_and_the_run_goes_on(pictures: Path, tmp_path: Path) -> None:
    """torchrun hands the signal on; its own exit code is 1, whatever the processes' are."""
    run = tmp_path / "run"
    process = torchrun(*pretraining(pictures, run, 60), cwd=tmp_path)
    checkpoint = run / "checkpoints" / "domain-0.ckpt"
    while not checkpoint.is_file():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    told = output(process)
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
    assert process.returncode and not (tmp_path / "run").exists()
