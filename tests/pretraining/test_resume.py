"""A run killed at any step and resumed ends with the weights of one that was never killed: a real process, bit for bit."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import labelfree as here
from labelfree.pretraining.fit import checkpoint_step
from labelfree.progress import Silent
from labelfree.training.files import read_json

STEPS = 60
FIRST = Path("checkpoints", "domain-0.ckpt")


def labelfree(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "labelfree", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def overrides(pictures: Path, objective: str, cache: Path) -> list[str]:
    crops = ", local_crops: 2" if objective.startswith("dino") else ""
    return [
        f"data.root={pictures}", f"pretrain.objective={objective}", "backbone.name=test_resnet",
        "backbone.init=imagenet", "evaluate.arms=[random, domain]", "evaluate.primary.arm=domain", "evaluate.primary.against=random",
        f"pretrain.steps={STEPS}", "pretrain.minutes=null", "pretrain.batch_size=8", "pretrain.size=32",
        "pretrain.checkpoint_minutes=0.005", "pretrain.on_collapse=warn",  # noise: there is nothing to learn
        f"pretrain.options={{hidden: 64{crops}}}", f"pool.dir={cache}",
    ]  # fmt: skip


def started(asked: list[str], out: Path) -> tuple[subprocess.Popen[str], Path]:
    """A pretraining in a process of its own that has written its first checkpoint, and that."""
    process, checkpoint = labelfree("pretrain", "satellite_dino", *asked, "--out", str(out), cwd=out.parent), out / FIRST
    while not checkpoint.is_file():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    return process, checkpoint


@pytest.mark.parametrize("objective", [pytest.param(name, marks=pytest.mark.slow) for name in ("dino", "simclr", "moco", "dinov2")])
def test_killed_and_resumed_equals_unbroken(objective: str, pictures: Path, tmp_path: Path) -> None:
    """Takes twenty seconds: a process imports torch and trains until it is killed; this one goes on, and has the unbroken run."""
    asked = overrides(pictures, objective, tmp_path / "pool")
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    here.pretrain("satellite_dino", [*asked, "pretrain.checkpoint_minutes=5"], unbroken, say=Silent())
    process, checkpoint = started(asked, broken)
    time.sleep(random.uniform(0, 0.5))
    process.kill()
    process.wait()
    step = checkpoint_step(checkpoint)
    assert 0 < step < STEPS, f"killed at step {step}"
    assert read_json(broken / "state.json")["status"] == "unfinished"
    here.resume(broken, say=Silent())
    assert (broken / "backbone.safetensors").read_bytes() == (unbroken / "backbone.safetensors").read_bytes()
    rows = [(folder / "metrics.csv").read_text() for folder in (broken, unbroken)]
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_sigterm_saves_and_leaves_with_75(pictures: Path, tmp_path: Path) -> None:
    """Takes ten seconds or more: a process imports torch and trains."""
    process, checkpoint = started(overrides(pictures, "dino", tmp_path / "pool"), tmp_path / "run")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 75, output
    assert f"labelfree resume {tmp_path / 'run'}" in output
    assert "Traceback" not in output
    assert 0 < checkpoint_step(checkpoint) < STEPS
