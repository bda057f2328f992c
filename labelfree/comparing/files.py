"""What a comparison of runs leaves: compare.csv (one row a primary), compare.json (all that was computed), compare.html."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labelfree.comparing.across import Across
from labelfree.comparing.family import ALPHA, Tested
from labelfree.errors import RecipeError
from labelfree.training.files import whole_file, write_json

TABLE, DOCUMENT, PAGE = "compare.csv", "compare.json", "compare.html"
COLUMNS = (
    "run", "dataset", "split", "task", "arm", "against", "protocol", "budget", "metric", "difference", "low", "high", "level", "p", "alpha",
    "verdict", "reason",
)  # fmt: skip


def open_place(folder: Path) -> None:
    """Raises RecipeError unless `folder` is new, empty, or holds an earlier comparison, which is written again."""
    taken = folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / DOCUMENT).is_file())
    if taken:
        raise RecipeError(f"--out {folder}: holds something that is not a comparison of runs; name a new or empty folder.")


def row_of(tested: Tested) -> dict[str, Any]:
    """One primary as compare.csv and compare.json have it. Differences and bounds are those of the stored metric (shares of one)."""
    run, primary = tested.run, tested.run.primary
    return {
        "run": run.name,
        "dataset": run.dataset,
        "split": run.split,
        "task": run.words.name,
        "arm": primary.arm,
        "against": primary.against,
        "protocol": primary.protocol,
        "budget": tested.budget,
        "metric": primary.metric,
        "difference": tested.mean,
        "low": tested.low,
        "high": tested.high,
        "level": tested.level,
        "p": tested.p,
        "alpha": tested.alpha,
        "verdict": tested.verdict,
        "reason": tested.reason,
    }


def write_table(tested: Sequence[Tested], folder: Path) -> None:
    with whole_file(folder / TABLE) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row_of(each) for each in tested)


def write_document(tested: Sequence[Tested], pairs: Sequence[Across], notes: Sequence[str], folder: Path) -> None:
    document = {
        "alpha": ALPHA,
        "primaries": [{"number": each.run.number, **row_of(each), "notes": list(each.run.notes)} for each in tested],
        "across": [
            {"first": each.first.number, "second": each.second.number, "draws": each.draws, **_finite(asdict(each.comparison))}
            for each in pairs
        ],
        "notes": list(notes),
    }
    write_json(folder / DOCUMENT, document)


def _finite(comparison: dict[str, Any]) -> dict[str, Any]:
    """Of a comparison across runs nothing is claimed: its verdict stays out."""
    return {key: value for key, value in comparison.items() if key not in ("verdict", "withheld")}
