"""Memory and time of SimCLR's loss, forward and backward, beside lightly's NTXentLoss as the batch grows.

    python benchmarks/loss_memory.py

A cell is one loss at one number of rows (both views together, dim 128), in a process of its own, on the GPU where there is one. Memory
is the peak above what was held just before: inputs, libraries, and a first small step that has loaded what a first step loads. On a CPU it
is the process's largest resident size (VmHWM of /proc, set back just before), on a GPU torch's own count. Time is that of the fastest step.
Cells that benchmarks/results/loss_memory.csv holds for the same machine, commit and versions are not measured again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from cells import RESULTS, append, found, place
from torch import Tensor

from labelfree.objectives.simclr import nt_xent

TABLE = RESULTS / "loss_memory.csv"
DEPENDS = (*(f"labelfree/objectives/{name}.py" for name in ("base", "blockwise", "distributed", "simclr")), "benchmarks/loss_memory.py")
DIM, TEMPERATURE = 128, 0.2
SECONDS = {"ours": 6, "lightly": 22}  # a step at 16,384 rows on one core; measured
START = 8  # seconds to import a cell's libraries
LEAST_MEMORY, MOST_TIME = 8, 1.5  # the aim at 16,384 rows: lightly's peak over ours, our time over lightly's


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, nargs="+", default=[1024, 2048, 4096, 8192, 16384])
    asked.add_argument("--steps", type=int, default=3)
    asked.add_argument("--cell", choices=SECONDS, help="measure this loss at --rows here and now, print it as JSON and keep nothing")
    given = asked.parse_args()
    if given.cell:
        print(json.dumps(measure(given.cell, given.rows[0], given.steps)))
        return
    here = place("torch", "lightly", depends=DEPENDS) | {"threads": str(torch.get_num_threads()), "steps": str(given.steps)}
    cells = [{"rows": str(rows), "loss": loss, **here} for rows in given.rows for loss in SECONDS]
    missing = [cell for cell in cells if not found(TABLE, cell)]
    expected = sum(START + given.steps * SECONDS[cell["loss"]] * (int(cell["rows"]) / 16384) ** 2 for cell in missing)
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about {expected / 60:.0f} minutes on two cores.", flush=True)
    for cell in missing:
        command = [sys.executable, __file__, "--cell", cell["loss"], "--rows", cell["rows"], "--steps", str(given.steps)]
        fresh = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
        append(TABLE, cell | json.loads(fresh.stdout.splitlines()[-1]))
        print(f"{cell['loss']} at {cell['rows']} rows: done", flush=True)
    show([row for cell in cells if (row := found(TABLE, cell))])


def measure(loss: str, rows: int, steps: int) -> dict[str, str]:
    """Peak memory and time of a step on fresh random projections."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    peak = peak_on_gpu if device.type == "cuda" else peak_in_process
    value = nt_xent_of(loss)
    first, second = (torch.randn(rows // 2, DIM, device=device, requires_grad=True) for _ in range(2))
    step(value, first[:128].detach().requires_grad_(), second[:128].detach().requires_grad_())
    before = peak(reset=True)
    seconds = min(step(value, first, second) for _ in range(steps))
    return {"peak_mib": f"{(peak() - before) / 2**20:.1f}", "seconds": f"{seconds:.4g}"}


def nt_xent_of(loss: str) -> Callable[[Tensor, Tensor], Tensor]:
    if loss == "ours":
        return lambda first, second: nt_xent(first, second, TEMPERATURE)
    from lightly.loss import NTXentLoss

    return NTXentLoss(TEMPERATURE)


def step(value: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> float:
    """Seconds of one forward and backward."""
    first.grad = second.grad = None
    start = time.perf_counter()
    value(first, second).backward()
    if first.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_on_gpu(reset: bool = False) -> int:
    if reset:
        torch.cuda.reset_peak_memory_stats()
    return torch.cuda.max_memory_allocated()


def peak_in_process(reset: bool = False) -> int:
    process = Path("/proc/self")
    if not (process / "clear_refs").exists():
        sys.exit("benchmarks/loss_memory.py: peak memory without a GPU is read from /proc; measure on Linux.")
    if reset:
        (process / "clear_refs").write_text("5")
    line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def show(table: list[dict[str, str]]) -> None:
    """Ours beside lightly's, and whether the aim is kept."""
    print("\n| rows | ours, MiB | lightly, MiB | lightly / ours | ours, s | lightly, s | ours / lightly |\n|---|---|---|---|---|---|---|")
    verdict = ""
    for ours, theirs in zip(table[::2], table[1::2], strict=True):
        memory = float(theirs["peak_mib"]) / float(ours["peak_mib"])
        seconds = float(ours["seconds"]) / float(theirs["seconds"])
        print(f"| {ours['rows']} | {ours['peak_mib']} | {theirs['peak_mib']} | {memory:.1f} ", end="")
        print(f"| {ours['seconds']} | {theirs['seconds']} | {seconds:.2f} |")
        if ours["rows"] == "16384":
            kept = "kept" if memory >= LEAST_MEMORY and seconds <= MOST_TIME else "missed"
            verdict = f"The aim at 16,384 rows, at most 1/{LEAST_MEMORY} of lightly's memory and {MOST_TIME} times its time, is {kept}."
    print(f"\n{verdict}")


if __name__ == "__main__":
    main()
