"""CI insists on the real data and the acceptance cases: without them it fails before it installs anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")


@pytest.fixture
def run_ci(tmp_path):
    """Runs CI where data sets that hold nothing but a table are, and neither an installation nor a case."""
    for name in ("eurosat_ms", "eurosat_rgb", "water_multiband"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "splits.csv").touch()

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", TOP / ".ci" / "run"], env={**os.environ, **variables}, capture_output=True, text=True, timeout=20)

    return run


def test_ci_fails_without_the_real_data(run_ci, tmp_path):
    done = run_ci(LABELFREE_DATA=str(tmp_path))
    assert done.returncode == 1 and f"{tmp_path}/eurosat_ms is missing" in done.stderr


def test_ci_fails_without_the_acceptance_cases(run_ci, tmp_path):
    done = run_ci(LABELFREE_DATA=str(tmp_path / "data"), LABELFREE_CASES=str(tmp_path))
    assert done.returncode == 1 and f"{tmp_path}/satellite is missing" in done.stderr
