"""CI insists on the real data: without them it fails before it installs anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_ci_fails_without_the_real_data(tmp_path):
    done = subprocess.run(
        ["bash", TOP / ".ci" / "run"], env={**os.environ, "LABELFREE_DATA": str(tmp_path)}, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1 and f"{tmp_path}/eurosat_ms is missing" in done.stderr
