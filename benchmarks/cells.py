"""What benchmarks share: cell by cell into a CSV, where a cell counts for the same machine, commit and versions only."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import labelfree
from labelfree.planning.environment import hardware, installed

TOP = Path(__file__).resolve().parents[1]
RESULTS = TOP / "benchmarks" / "results"
MEASURED = ("labelfree", "domains", "recipes", "data_cards", "pyproject.toml", ":(glob)benchmarks/*.py")  # pages change no figure


def place(*packages: str, depends: Sequence[str] = MEASURED) -> dict[str, str]:
    """The columns that say where a cell is measured: the commit that last changed what it depends on, hardware, versions of `packages`."""
    return {"commit": commit(depends), "hardware": hardware(), **{name: installed(name) or "" for name in packages}}


def commit(depends: Sequence[str] = MEASURED) -> str:
    """The last commit that changed what is measured. Uncommitted changes to it are refused: such a figure could not be made again."""
    script = Path(sys.argv[0]).name
    if Path(labelfree.__file__).resolve().parents[1] != TOP:
        sys.exit(f"benchmarks/{script}: labelfree is imported from {labelfree.__file__}; install this checkout first.")
    if changed := git(depends, "status", "--porcelain"):
        sys.exit(f"benchmarks/{script}: {changed.splitlines()[0][3:]} is not committed; commit it, so that the figure can be made again.")
    return git(depends, "log", "-1", "--format=%H")


def git(paths: Sequence[str], *command: str) -> str:
    """What git says of these parts of the checkout."""
    return subprocess.run(["git", *command, "--", *paths], cwd=TOP, capture_output=True, text=True, check=True).stdout.rstrip()


def rows(path: Path) -> list[dict[str, str]]:
    """All that a table holds."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def found(path: Path, cell: dict[str, str]) -> dict[str, str] | None:
    """The row of a cell that was measured before."""
    return next((row for row in rows(path) if cell.items() <= row.items()), None)


def anywhere(cell: dict[str, str]) -> dict[str, str]:
    """A cell without its machine: as many steps on another processor are the same experiment."""
    return {key: value for key, value in cell.items() if key != "hardware"}


def carry_out(
    path: Path,
    cells: Sequence[dict[str, str]],
    expected: Callable[[dict[str, str]], float],
    measured: Callable[..., dict[str, str]],
    most: float,
) -> None:
    """Measure the cells that a table lacks, whatever machine made the others, until `most` minutes are spent. `expected`: those of one."""
    missing = [cell for cell in cells if not found(path, anywhere(cell))]
    minutes = sum(map(expected, missing))
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about {minutes:.0f} minutes, at most {most:g} now.", flush=True)
    spent = 0.0
    for cell in missing:
        if spent + expected(cell) > most:
            print("That is all for this sitting; the same command goes on.")
            break
        append(path, cell | measured(cell))
        spent += expected(cell)


def append(path: Path, row: dict[str, str]) -> None:
    """One more row; the first one names the columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
