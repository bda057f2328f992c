"""What libraries warn of never stands between the sentences that are meant for a person."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from rasterio.transform import from_origin

from tests.satellite.files import write_tif

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


def test_proj_does_not_speak_while_a_file_is_opened(tmp_path: Path) -> None:
    """It looks for the name of a unit that has no code, and says on the terminal that it lacks a table."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(3):
        kilometres = {"crs": "+proj=laea +lat_0=52 +lon_0=10 +units=km", "transform": from_origin(number, 0, 0.01, 0.01)}
        write_tif(folder / f"{number}.tif", np.arange(192, dtype=np.uint16).reshape(3, 8, 8) + number, placed=False, **kilometres)
    command = [sys.executable, "-m", "labelfree", "data", "check", str(folder), "--domain", "satellite"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "proj" not in found.stderr + found.stdout and "no faults found" in found.stdout


def test_debug_shows_them(tmp_path: Path) -> None:
    found = said(tmp_path / "log.txt", "--debug", "doctor")
    assert "a foreign warning" in found.stderr and "a foreign line" in found.stderr
