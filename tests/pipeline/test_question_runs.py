"""Runs that ask questions: the language-only row stands beside every arm, and no question leaves a run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import labelfree
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Silent
from tests.small_runs import SMALL, folder_of, table

SECRET = "xylophonist"
ASKED = [
    SMALL[0], "evaluate.task=vqa", "evaluate.protocols=[attention]", "evaluate.sizes=[32]", "evaluate.draws=1", "data.leak_limit=1.0",
    "evaluate.labels_per_class=[8]", "evaluate.arms=[statistics, random]",
    "evaluate.primary={arm: statistics, against: random, protocol: attention, budget: 8, metric: accuracy}",
]  # fmt: skip


def asked_of(folder: Path, name: str = "questions.csv") -> Path:
    """Two questions of each labelled picture; one answer stands nowhere else."""
    with (folder / "labels.csv").open(newline="") as stream:
        labelled = list(csv.DictReader(stream))
    lines = [("path", "question", "answer")]
    for number, row in enumerate(labelled):
        lines.append((row["path"], f"How do the stripes of the {SECRET} run?", row["label"]))
        lines.append((row["path"], "Are they across?", f"{SECRET} {number}" if not number else "yes" if row["label"] == "across" else "no"))
    with (folder / name).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(lines)
    (folder / "labels.csv").unlink()
    return folder / name


@pytest.mark.slow  # a whole comparison; tests/transfer/test_vqa.py shows its parts
def test_a_run_answers_and_keeps_no_word(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", labelled=24, unlabelled=10)
    asked_of(folder)
    run = labelfree.evaluate("satellite_simclr", [f"data.root={folder}", *ASKED, "report.share=true"], tmp_path / "run", say=Silent())
    rows = table(run.folder / "results.csv")
    assert {(row["arm"], row["protocol"]) for row in rows} == {
        (a, p) for a in ("statistics", "random") for p in ("attention", "language_only")
    }
    assert {row["metric"] for row in rows} == {"accuracy", "accuracy_yes_no", "accuracy_number", "accuracy_other", "unseen"}
    alone = [{row["value"] for row in rows if (row["arm"], row["protocol"]) == (arm, "language_only")} for arm in ("statistics", "random")]
    assert alone[0] == alone[1], "the question alone knows no arm"
    notes = json.loads((run.folder / "notes.json").read_text(encoding="utf-8"))
    assert any("48 questions of 24 images" in note for note in notes) and any("No head is left" in note for note in notes)
    files = [path for path in run.folder.rglob("*") if path.is_file() and "private" not in path.relative_to(run.folder).parts]
    assert files and not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", labelled=4, unlabelled=2)
    with pytest.raises(RecipeError, match=r"'attention' is not among evaluate.protocols \(knn\)"):
        labelfree.check_recipe("satellite_simclr", ["evaluate.task=vqa", "evaluate.protocols=[knn]"], say=Silent())
    labelfree.evaluate("satellite_simclr", [f"data.root={folder}", "evaluate.task=vqa"], tmp_path / "none", say=Silent())
    notes = json.loads((tmp_path / "none" / "notes.json").read_text(encoding="utf-8"))
    assert "Nothing could be compared: vqa scores images that have a question, and none has." in notes
    other = asked_of(folder, "asked.csv")
    other.write_text("path,question\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column 'answer'"):
        labelfree.evaluate("satellite_simclr", [f"data.root={folder}", f"data.questions={other}", *ASKED], tmp_path / "run", say=Silent())
