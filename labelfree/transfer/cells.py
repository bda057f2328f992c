"""The unit of work that is never lost: one arm, seed, protocol, budget, draw and fold, in a file of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelfree.data.budgets import Budget
from labelfree.training.files import whole_file
from labelfree.transfer.features import safe_name

FACTS = ("size", "n_labels", "preparation", "setting", "inner", "converged", "envelope")
SCORED, HELD_OUT = "scored", "held out"
UNDERTRAINED = "undertrained"  # among the flags of results.csv, of a head that had not come to its end
CHANCE = "chance="  # among the flags of results.csv, before what a guess would score
INNER = "inner="  # among the flags of results.csv, before the score that settings were chosen with


@dataclass(frozen=True)
class CellKey:
    """Which cell."""

    arm: str
    backbone: str
    seed: int
    protocol: str
    budget: Budget
    draw: int
    fold: int

    def path(self, folder: Path) -> Path:
        return folder / f"{safe_name(self.arm)}-{self.seed}-{self.protocol}-{self.budget}-{self.draw}-{self.fold}.parquet"


@dataclass(frozen=True)
class Cell:
    """What a cell holds. `rows`: (n,) scored positions; `answers`: the task's, a row each.

    `held_rows`, `held`: the labelled rows and the answers that the settings chosen gave for them out of fold, None where there was
    nothing to choose by: what thresholds are set with. `inner`: the score of these. `envelope`: size -> metric -> value, for ImageNet arms.
    """

    rows: np.ndarray
    answers: pa.Table
    size: int
    n_labels: int
    preparation: str
    setting: float
    inner: float | None
    converged: bool
    envelope: dict[int, dict[str, float]]
    held_rows: np.ndarray | None = None
    held: pa.Table | None = None

    @property
    def flags(self) -> str:
        """The last column of results.csv."""
        words = [] if self.converged else [UNDERTRAINED]
        words += [f"preparation={self.preparation}", f"setting={self.setting:g}"]
        return ";".join(words + ([] if self.inner is None else [f"{INNER}{self.inner:.6f}"]))


def write_cell(path: Path, cell: Cell, key: str) -> None:
    """Write a whole cell. `key`: what its content depends on."""
    facts = {name: getattr(cell, name) for name in FACTS}
    table = _part(SCORED, cell.rows, cell.answers)
    if cell.held is not None and cell.held_rows is not None:
        table = pa.concat_tables([table, _part(HELD_OUT, cell.held_rows, cell.held)])
    with whole_file(path) as part:
        pq.write_table(table.replace_schema_metadata({"key": key, "cell": json.dumps(facts)}), part)


def read_cell(path: Path, key: str) -> Cell | None:
    """The cell, or None when it's missing, torn, or answers another question."""
    try:
        table = pq.read_table(path)
        stored = table.schema.metadata or {}
        if stored.get(b"key") != key.encode():
            return None
        facts = json.loads(stored[b"cell"])
        parts = {name: table.filter(pc.equal(table["part"], name)) for name in (SCORED, HELD_OUT)}
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    facts["envelope"] = {int(size): values for size, values in facts["envelope"].items()}
    (rows, answers), (held_rows, held) = (_rows(parts[name]) for name in (SCORED, HELD_OUT))
    if len(held_rows):
        facts |= {"held_rows": held_rows, "held": held}
    return Cell(rows=rows, answers=answers, **facts)


def _part(name: str, rows: np.ndarray, answers: pa.Table) -> pa.Table:
    return answers.add_column(0, "row", pa.array(rows, pa.int64())).add_column(0, "part", pa.array([name] * len(rows), pa.string()))


def _rows(table: pa.Table) -> tuple[np.ndarray, pa.Table]:
    return table["row"].to_numpy(), table.drop_columns(["part", "row"])
