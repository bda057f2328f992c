"""What was taken for what at the primary's point: confusions summed over all that was scored there."""

from __future__ import annotations

from pathlib import Path

from labelfree.training.files import read_json, write_json
from labelfree.transfer.claims.scores import read_scores

FILE = "confusion.json"


def save_confusions(folder: Path) -> Path | None:
    """Write confusion.json of a run whose claims are saved: of both arms of its primary a table by [truth, called], from
    predictions.parquet. None, and no file, where nothing was claimed or answers are not classes.

    `counted` is what the tables count, `times` in how many scorings each image stands: draws times seeds.
    """
    path = folder / FILE
    path.unlink(missing_ok=True)
    primary = read_json(folder / "claims.json").get("primary")
    if not primary:
        return None
    scores = read_scores(folder, primary["metric"])
    tables, times = {}, {}
    for arm in (primary["arm"], primary["against"]):
        point = (arm, primary["protocol"], str(primary["budget"]))
        found = [scores.task.confusion(cell.answers) for cell in scores.cells.get(point, {}).values()]
        told = [table for table in found if table is not None]
        if not told:
            return None
        tables[arm] = sum(told[1:], told[0]).tolist()
        times[arm] = len(scores.draws(point)) * len(scores.seeds(point))
    facts = {"protocol": primary["protocol"], "budget": str(primary["budget"]), "counted": scores.task.counted}
    write_json(path, {**facts, "classes": read_json(folder / "classes.json"), "times": times, "arms": tables})
    return path
