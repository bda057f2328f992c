"""Time and memory of each strategy that chooses what to label, as the folder grows.

    python benchmarks/choosing.py

A cell is one strategy asked for 100 images among generated features of 384 numbers, in a process of its own: 200 heaps of very different
size, 1,000 groups, 50 labels, class scores of a head. The features lie in a file that is mapped into memory, so the largest resident size
(VmHWM) counts those pages of it that were looked at and the system had room for; `own_mib` is the most that the process held of its own,
looked up fifty times a second. Both are read from /proc: measure on Linux. Cells that benchmarks/results/choosing.csv holds for the same
machine, commit and versions are not measured again. The file of a million rows takes 1.5 GB of the folder for temporary files meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from cells import RESULTS, append, found, place

from labelfree.choosing import Candidates, find_strategy

TABLE = RESULTS / "choosing.csv"
DEPENDS = ("labelfree/choosing", "benchmarks/choosing.py")
WIDTH, HEAPS, GROUPS, LABELS, CLASSES, BUDGET = 384, 200, 1000, 50, 20, 100
SECONDS = {"typical": 150, "cover": 80, "margin": 5, "random": 5}  # at a million rows on two busy cores
START = 3  # seconds to start and to import


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    asked.add_argument("--strategies", choices=SECONDS, nargs="+", default=list(SECONDS))
    asked.add_argument("--cell", type=Path, help="measure the strategy on this file of features here and now, print JSON and keep nothing")
    given = asked.parse_args()
    if given.cell:
        print(json.dumps(measure(given.strategies[0], given.cell, given.rows[0])))
        return
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    here = place("faiss-cpu", "scikit-learn", "numpy", depends=DEPENDS) | {"threads": threads, "budget": str(BUDGET)}
    cells = [{"rows": str(rows), "strategy": name, **here} for rows in given.rows for name in given.strategies]
    missing = [cell for cell in cells if not found(TABLE, cell)]
    expected = sum(START + SECONDS[cell["strategy"]] * int(cell["rows"]) / 1e6 for cell in missing)
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about {max(1, expected / 60):.0f} minutes on two cores.", flush=True)
    for rows in dict.fromkeys(cell["rows"] for cell in missing):
        with tempfile.TemporaryDirectory() as folder:
            write(file := Path(folder) / "features", int(rows))
            for cell in (cell for cell in missing if cell["rows"] == rows):
                command = [sys.executable, __file__, "--cell", str(file), "--rows", rows, "--strategies", cell["strategy"]]
                fresh = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
                append(TABLE, cell | json.loads(fresh.stdout.splitlines()[-1]))
                print(f"{cell['strategy']} among {int(rows):,}: done", flush=True)
    print("\n| images | strategy | s | own memory, MiB | with the mapped file, MiB |\n|---|---|---|---|---|")
    for cell in cells:
        if row := found(TABLE, cell):
            print(f"| {int(row['rows']):,} | {row['strategy']} | {row['seconds']} | {row['own_mib']} | {row['peak_mib']} |")


def write(file: Path, rows: int) -> None:
    """Features in heaps, block by block."""
    generator = np.random.default_rng(0)
    middles = generator.normal(size=(HEAPS, WIDTH)).astype(np.float32)
    share = 1 / np.arange(1, HEAPS + 1)  # the largest holds a sixth of all
    with file.open("wb") as stream:
        for start in range(0, rows, 10_000):
            heap = generator.choice(HEAPS, min(10_000, rows - start), p=share / share.sum())
            noise = generator.standard_normal((len(heap), WIDTH), dtype=np.float32)
            (middles[heap] + 1.5 * noise).tofile(stream)


def measure(name: str, file: Path, rows: int) -> dict[str, str]:
    """Seconds and peak memory of one choice."""
    generator = np.random.default_rng(1)
    candidates = Candidates(
        features=np.memmap(file, np.float32, "r", shape=(rows, WIDTH)),
        groups=generator.integers(0, GROUPS, rows),
        open=np.ones(rows, bool),
        labelled=np.sort(generator.choice(rows, LABELS, replace=False)),
        codes=np.arange(LABELS) % CLASSES,
        outputs=generator.dirichlet(np.ones(CLASSES), rows).astype(np.float32),
    )
    most, over = [0], threading.Event()
    watch = threading.Thread(target=watched, args=(most, over))
    watch.start()
    start = time.perf_counter()
    chosen = find_strategy(name).choose(candidates, BUDGET, 0)
    seconds = time.perf_counter() - start
    over.set()
    watch.join()
    assert len(chosen) == BUDGET
    return {"seconds": f"{seconds:.1f}", "own_mib": f"{most[0] / 1024:.0f}", "peak_mib": f"{held('VmHWM') / 1024:.0f}"}


def watched(most: list[int], over: threading.Event) -> None:
    """Keeps in `most` the largest number of KiB that this process holds of its own."""
    while True:
        most[0] = max(most[0], held("RssAnon"))
        if over.wait(0.02):
            return


def held(kind: str) -> int:
    """KiB that this process holds (RssAnon) or has held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind))


if __name__ == "__main__":
    main()
