"""What libraries warn of never stands between the sentences that are meant for a person."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WARNS = """
import logging, sys, warnings
import numpy, labelfree, labelfree.cli as cli
def doctor():
    warnings.warn("a foreign warning"), warnings.warn("one more", DeprecationWarning), numpy.array([0.0]) / 0
    logging.getLogger("rasterio._env").warning("a foreign line"), logging.warning("of the root")
    cli._console().say("A sentence.")
    return []
labelfree.doctor = doctor
cli._console().log_to(__import__("pathlib").Path(sys.argv[1]))
cli.main(sys.argv[2:])
"""


def said(log: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WARNS, str(log), *arguments], capture_output=True, text=True, check=True)


def test_warnings_go_to_the_log_alone(tmp_path: Path) -> None:
    found = said(tmp_path / "log.txt", "doctor")
    assert (found.stdout, found.stderr) == ("A sentence.\n", "")
    kept = (tmp_path / "log.txt").read_text()
    assert "a foreign warning" in kept and "rasterio._env: a foreign line" in kept and "invalid value" in kept


def test_debug_shows_them(tmp_path: Path) -> None:
    found = said(tmp_path / "log.txt", "--debug", "doctor")
    assert "a foreign warning" in found.stderr and "a foreign line" in found.stderr
