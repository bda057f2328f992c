"""One point of a curve scored again without the images that have a near-duplicate in the pool (docs/protocol.md, 4)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from labelfree.transfer.tasks import find_task
from labelfree.transfer.words import TaskWords


def scores_without(folder: Path, place: tuple[str, str, str], metric: str, near: Collection[str]) -> tuple[float, float] | None:
    """Mean score over seeds, draws and folds at `place` (arm, protocol, budget): with all scored images, and without the ids in `near`.

    Reads predictions.parquet; None where that is missing or nothing but near-duplicates was scored.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = folder / "predictions.parquet"
    if not path.is_file():
        return None
    table = pq.read_table(path)
    for name, wanted in zip(("arm", "protocol", "budget"), place, strict=True):
        table = table.filter(pc.equal(table[name].cast(pa.string()), wanted))
    if not len(table):
        return None
    cells = np.stack([table[name].to_numpy() for name in ("seed", "draw", "fold")], 1)
    apart = ~np.isin(table["row_id"].to_numpy(zero_copy_only=False), list(near))
    task = find_task(TaskWords.of(folder).name)
    answers, judged = table.select(task.answer_schema.names), task.metrics[metric]
    both = []
    for kept in (np.ones(len(table), bool), apart):
        parts = [kept & (cells == cell).all(1) for cell in np.unique(cells, axis=0)]
        both.append([judged.value(answers.filter(pa.array(part))) for part in parts if part.any()])
    return (float(np.nanmean(both[0])), float(np.nanmean(both[1]))) if both[1] else None
