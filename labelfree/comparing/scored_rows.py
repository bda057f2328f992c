"""Which images a run scored and which labels each draw learnt from: by these, arms of different runs may be paired or not."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelfree.comparing.runs import ComparedRun
from labelfree.errors import DataError

Part = tuple[int, int]  # draw and fold


@dataclass(frozen=True)
class ScoredRows:
    """Of one run. `scored`: names of all rows. `judged`, `learnt`: for each draw and fold a digest of what it scored and learnt from."""

    scored: frozenset[str]
    judged: Mapping[Part, str]
    learnt: Mapping[Part, str]

    @cached_property
    def salted(self) -> bool:
        """Whether names of rows are hidden."""
        from labelfree.reporting.anonymise import SALTED

        return bool(self.scored) and all(SALTED.fullmatch(name) for name in self.scored)

    def alike(self, other: ScoredRows) -> list[Part]:
        """Draws and folds in which both learnt from the same labels and scored the same rows."""
        if self.scored != other.scored:
            return []
        both = [part for part in self.judged if part in other.judged]
        return [part for part in both if self.judged[part] == other.judged[part] and self.learnt.get(part) == other.learnt.get(part)]


def scored_rows(run: ComparedRun) -> ScoredRows:
    """From predictions.parquet (its `target`, where the task keeps one number, is part of what a row is) and budgets.csv.

    Raises DataError where budgets.csv is torn.
    """
    file = run.folder / "predictions.parquet"
    target = [field.name for field in pq.read_schema(file) if field.name == "target" and not pa.types.is_nested(field.type)]
    table = pq.read_table(file, columns=["arm", "protocol", "seed", "draw", "fold", "row_id", "group", *target])
    first = table.slice(0, 1).to_pylist()[0]
    for key in ("arm", "protocol", "seed"):  # all arms score the same rows
        table = table.filter(pc.equal(table[key].cast(pa.string()), str(first[key])))
    keys = ["draw", "fold", "row_id", "group", *target]
    rows = table.select(keys).group_by(keys).aggregate([])  # budgets of a draw score the same rows
    judged: dict[Part, set[str]] = {}
    for row in rows.to_pylist():
        judged.setdefault((row["draw"], row["fold"]), set()).add(repr((row["row_id"], row["group"], row.get("target"))))
    names = frozenset(pc.unique(rows["row_id"]).to_pylist())
    return ScoredRows(names, {part: _digest(sorted(seen)) for part, seen in judged.items()}, _learnt(run.folder / "budgets.csv"))


def _learnt(file: Path) -> dict[Part, str]:
    """Of budgets.csv; nothing where a run has none."""
    orders: dict[Part, list[str]] = {}
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as stream:
        try:
            for row in csv.DictReader(stream):
                drawn = repr((row["class"], int(row["position"]), row["row_id"]))
                orders.setdefault((int(row["draw"]), int(row["fold"])), []).append(drawn)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{file}: torn, or not a table of draws. Copy the run again.") from error
    return {part: _digest(sorted(order)) for part, order in orders.items()}


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
