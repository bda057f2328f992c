"""The files a comparison leaves (docs/protocol.md, 18): from these alone every interval is computed."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelfree.training.files import whole_file, write_json
from labelfree.transfer.cells import CHANCE, Cell, CellKey
from labelfree.transfer.operating import Rule
from labelfree.transfer.question import Question
from labelfree.transfer.setup import Part
from labelfree.transfer.tasks import Metric, Task

CROSSED = "cv"  # the split column of a comparison without a test split
KEYS = ("run", "dataset", "split", "arm", "backbone", "seed", "size", "task", "protocol", "budget", "n_labels", "draw", "fold")
COLUMNS = (*KEYS, "metric", "value", "flags")
ENVELOPE = "envelope"  # flags a score that exists to be drawn, never to be claimed


def write_tables(question: Question, cells: Mapping[CellKey, Cell], folder: Path, claimed: str = "", alarm: Rule | None = None) -> None:
    """results.csv (one row a metric of a cell), predictions.parquet (one row a scored image of a cell), classes.json, task.json.

    `claimed`: the metric that the primary names, which need not be a usual one. `alarm`: by which thresholds are set, on held-out answers.
    """
    task = question.task
    metrics = {name: metric for name, metric in task.metrics_of(question.targets).items() if metric.usual or name == claimed}
    write_json(folder / "classes.json", task.legend(question.targets))
    task.words_of(question.targets).save(folder)
    with whole_file(folder / "results.csv") as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for key, cell in cells.items():
            keys = _keys(question, key, cell, cell.size, folder)
            flags = [cell.flags] if alarm is None else [cell.flags, *_alarm_flags(question, cell, alarm)]
            for name, metric in metrics.items():
                told = ";".join([*flags, *_chance(metric, cell)])
                writer.writerow((*keys, name, number(metric.value(cell.answers)), told))
            for size, values in cell.envelope.items():
                keys = _keys(question, key, cell, size, folder)
                writer.writerows((*keys, name, number(value), ENVELOPE) for name, value in values.items() if name in metrics)
    with whole_file(folder / "predictions.parquet") as part, pq.ParquetWriter(part, _schema(task), compression="zstd") as tables:
        for key, cell in cells.items():
            tables.write_table(_predictions(question, key, cell, folder))


def _chance(metric: Metric, cell: Cell) -> list[str]:
    return [] if metric.chance is None else [f"{CHANCE}{number(metric.chance(cell.answers))}"]


def _alarm_flags(question: Question, cell: Cell, alarm: Rule) -> list[str]:
    held_rows = np.zeros(0, np.int64) if cell.held_rows is None else cell.held_rows
    return alarm.flags(alarm.threshold(question, held_rows, cell.held))


def write_budgets(parts: Sequence[Part], path: Path) -> None:
    """budgets.csv: the order in which each draw labels the rows of a stratum (a class); budget b is the first b of each."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("draw", "fold", "class", "position", "row_id"))
        for part in parts:
            for name, rows in part.order.items():
                writer.writerows((part.draw, part.fold, name, at, part.question.ids[row]) for at, row in enumerate(rows))


def number(value: float) -> str:
    """Every digit of a float, and nothing for NaN."""
    return "" if math.isnan(value) else repr(float(value))


def _keys(question: Question, key: CellKey, cell: Cell, size: int, folder: Path) -> tuple[object, ...]:
    split = CROSSED if question.crossed else question.split
    keys = (folder.resolve().name, question.dataset, split, key.arm, key.backbone, key.seed, size, question.task.name, key.protocol)
    return (*keys, str(key.budget), cell.n_labels, key.draw, key.fold)


def _schema(task: Task) -> pa.Schema:
    whole = {"seed", "size", "n_labels", "draw", "fold"}
    fields = [(name, pa.int32() if name in whole else pa.dictionary(pa.int32(), pa.string())) for name in KEYS]
    return pa.schema([*fields, ("row_id", pa.string()), ("group", pa.string()), *task.answer_schema])


def _predictions(question: Question, key: CellKey, cell: Cell, folder: Path) -> pa.Table:
    count, schema = len(cell.rows), _schema(question.task)
    columns: dict[str, pa.Array] = {}
    for name, value in zip(KEYS, _keys(question, key, cell, cell.size, folder), strict=True):
        if pa.types.is_dictionary(schema.field(name).type):
            columns[name] = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value], pa.string()))
        else:
            columns[name] = pa.array(np.full(count, value, np.int32))
    columns["row_id"] = pa.array([question.ids[row] for row in cell.rows], pa.string())
    columns["group"] = pa.array([question.groups[row] for row in cell.rows], pa.string())
    columns |= {name: cell.answers[name] for name in question.task.answer_schema.names}
    return pa.table(columns, schema=schema)
