"""What a labelfree command takes: the most that its largest process held in memory, as the system tells it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PEAK = "import resource, sys, subprocess; code = subprocess.run(sys.argv[1:]).returncode; "
PEAK += "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"


def peak(command: Sequence[str], cwd: Path) -> float:
    """Bytes that the largest process of a labelfree command held at most. Ends the script with its words where it fails."""
    words = [sys.executable, "-c", PEAK, sys.executable, "-m", "labelfree", *command]
    done = subprocess.run(words, cwd=cwd, env={**os.environ, "LABELFREE_CACHE": str(cwd / "cache")}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"labelfree {' '.join(command)}\n{done.stdout}{done.stderr}")
    return 1024.0 * float(done.stdout.rpartition("peak")[2])
