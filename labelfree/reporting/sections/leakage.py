"""The leak check: were scored images, or near copies of them, also trained on?"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import difference, score
from labelfree.transfer.tasks import find_task, task_names
from labelfree.transfer.words import TaskWords

MOST = 12  # pairs shown


def build(context: Context) -> Section:
    leaks = context.run.leaks
    if not leaks:
        return Section("leaks", "Leak check", absent="No leak check was made: there were no scored images to compare the pool with.")
    pairs: list[dict[str, Any]] = []
    for path in [] if context.hidden else context.run.pictures("leaks/*.png")[:MOST]:
        if uri := context.album.uri(path, longest=270):
            pairs.append({"uri": uri, "alt": f"Pair {len(pairs) + 1}: an image of the pool on the left, a scored image on the right."})
    near, task = len(leaks["scored_near"]), context.run.words.name
    judged = task in task_names()  # only a task reads answers; all else on the page needs its words alone
    facts = [
        (
            "Scored images looked for",
            f"{leaks['scored']:,}",
            f"{leaks['not_judged']:,} too flat to judge for near-duplicates" if leaks["not_judged"] else "",
        ),
        ("Identical pairs", f"{len(leaks['exact']):,}", "equal decoded pixels, whatever the file"),
        (
            "With a near-duplicate",
            "cannot tell" if leaks["cannot_tell"] else f"{near:,}",
            "unrelated images are as alike here" if leaks["cannot_tell"] else f"a run stops above {leaks['limit']:,}",
        ),
        ("Dropped from the pool", f"{len(leaks['dropped']):,}", "never seen by the pretraining"),
    ]
    return Section(
        "leaks",
        "Leak check",
        {
            "facts": facts,
            "sentence": leaks.get("sentence", ""),
            "pairs": pairs,
            "with_without": with_without(context) if judged else [],
            "not_judged": "" if judged or not near else f"Scores without near-duplicates: install the package of the task {task!r}.",
            "unit": context.run.words.metric(str((context.run.claims.get("primary") or {}).get("metric", "score"))).of_scores,
            "hidden": context.hidden if near or leaks["exact"] else "",
        },
        lead="A score on images that were trained on is worth nothing, so the pool is searched for them before anything is scored.",
    )


def with_without(context: Context) -> list[dict[str, str]]:
    """The primary's two arms on all scored images and on those without a near-duplicate in the pool (PROTOCOL 4)."""
    run = context.run
    primary, near = run.claims.get("primary"), run.leaks["scored_near"]
    if not primary or not near or run.leaks["cannot_tell"]:
        return []
    rows, metric = [], run.words.metric(primary["metric"])
    for arm in (primary["arm"], primary["against"]):
        both = scores_without(run.folder, (arm, primary["protocol"], str(primary["budget"])), primary["metric"], near)
        if both is None:
            return []
        rows.append(
            {"arm": arm, "with": score(both[0], metric), "without": score(both[1], metric), "change": difference(both[1] - both[0], metric)}
        )
    return rows


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
