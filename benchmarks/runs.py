"""Runs as processes of their own: begun and stopped once their steps are planned, carried out, and what their folders say."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelfree.errors import Interrupted


def command(recipe: str, settings: Sequence[str], out: Path) -> list[str]:
    """A new run as a command line, or an unfinished one that goes on."""
    if (out / "state.json").is_file():
        return [sys.executable, "-m", "labelfree", "resume", str(out)]
    return [sys.executable, "-m", "labelfree", "run", recipe, *settings, "--out", str(out)]


def begin(typed: Sequence[str], out: Path) -> float:
    """Start the run in `out` and stop it once its steps are timed and planned: what it took of memory until then, in GB."""
    process = subprocess.Popen(typed)
    while not (out / "plan.json").is_file() and not exited(process):
        time.sleep(0.5)
    if not exited(process):
        process.terminate()
    code, peak = ended(process)
    if code != Interrupted.exit_code:
        sys.exit(f"benchmarks/{Path(sys.argv[0]).name}: {out} ended with exit code {code} before its first step.")
    return peak


def exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether it is over, without taking its exit code and usage away from `ended`."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def ended(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Its exit code and the most memory that it held, in GB."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 2**20  # KiB on Linux


def collapsed(out: Path) -> str:
    """The sentence with which a run stopped for a collapse, a result like any other; nothing where it ended for another reason."""
    last = (out / "log.txt").read_text(encoding="utf-8").splitlines()[-1]
    return last[:300] if ": collapse: " in last else ""


def plan_in(out: Path) -> dict[str, Any]:
    """The one plan of a run."""
    (plan,) = json.loads((out / "plan.json").read_text(encoding="utf-8"))["plans"].values()
    return dict(plan)


def last_check(out: Path) -> dict[str, float]:
    """What the last health check of a run's one pretraining measured."""
    with (out / "metrics.csv").open(newline="", encoding="utf-8") as stream:
        return {row["name"]: float(row["value"]) for row in csv.DictReader(stream)}


def means(out: Path) -> dict[tuple[str, str, str], float]:
    """Mean score over the draws by arm, protocol and budget."""
    table = json.loads((out / "claims.json").read_text(encoding="utf-8"))["table"]
    return {(row["arm"], row["protocol"], str(row["budget"])): row["mean"] for row in table}
