"""The unit of work that is never lost: one arm, seed, protocol, budget, draw and fold, in a file of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelfree.data.budgets import Budget
from labelfree.training.files import whole_file
from labelfree.transfer.features import safe_name


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
    """What a cell found. `rows`: (n,) scored positions; `scores`: (n, K) float32. `envelope`: size -> metric -> value, for ImageNet arms.

    `inner`: the score that chose the settings, None where there was nothing to choose by.
    """

    rows: np.ndarray
    scores: np.ndarray
    size: int
    n_labels: int
    preparation: str
    setting: float
    inner: float | None
    converged: bool
    envelope: dict[int, dict[str, float]]

    @property
    def flags(self) -> str:
        """The last column of results.csv."""
        words = [] if self.converged else ["undertrained"]
        words += [f"preparation={self.preparation}", f"setting={self.setting:g}"]
        return ";".join(words + ([] if self.inner is None else [f"inner={self.inner:.6f}"]))


def write_cell(path: Path, cell: Cell, key: str) -> None:
    """Write a whole cell. `key`: what its content depends on."""
    told = {name: getattr(cell, name) for name in ("size", "n_labels", "preparation", "setting", "inner", "converged", "envelope")}
    table = pa.table({"row": pa.array(cell.rows, pa.int64()), "scores": nested(cell.scores)})
    with whole_file(path) as part:
        pq.write_table(table.replace_schema_metadata({"key": key, "cell": json.dumps(told)}), part)


def read_cell(path: Path, key: str) -> Cell | None:
    """The cell, or None when it's missing, torn, or answers another question."""
    try:
        table = pq.read_table(path)
        told = table.schema.metadata or {}
        if told.get(b"key") != key.encode():
            return None
        facts = json.loads(told[b"cell"])
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    facts["envelope"] = {int(size): values for size, values in facts["envelope"].items()}
    return Cell(rows=table["row"].to_numpy(), scores=flat(table["scores"]), **facts)


def nested(scores: np.ndarray) -> pa.Array:
    """(n, K) -> list<float> column."""
    offsets = np.arange(0, scores.size + 1, scores.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(scores, np.float32).ravel()))


def flat(column: pa.ChunkedArray) -> np.ndarray:
    """list<float> column of equal lengths -> (n, K) float32."""
    values: np.ndarray = column.combine_chunks().flatten().to_numpy().reshape(len(column), -1)
    return values
