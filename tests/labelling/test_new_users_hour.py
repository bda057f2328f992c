"""From a folder without labels to an answer, every command in a process of its own: docs/few-labels.md."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.labelling.conftest import Site

SCENES = 25  # of the generated set's 95: 300 images
SENSOR = "reader.sensor=sentinel-2-l1c"  # what `plan` asks for where the files do not tell
SHORT = ("pretrain.minutes=null", "pretrain.steps=2", "pretrain.batch_size=16", "pretrain.size=32", "pretrain.local_size=32")


def typed(*words: str | Path) -> str:
    """A command as a person types it: what it printed. It must end well."""
    ended = subprocess.run([sys.executable, "-m", "labelfree", *map(str, words)], capture_output=True, text=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A part of the generated sample without its labels, and these, by path."""
    generated, folder = tmp_path / "generated", tmp_path / "mine"
    typed("data", "sample", generated, "--domain", "satellite")
    with (generated / "splits.csv").open(newline="", encoding="utf-8") as table:
        truth = {Path(row["path"]).name: row["label"] for row in csv.DictReader(table)}
    folder.mkdir()
    for file in sorted((generated / "images").glob("*.tif")):
        if int(file.name[5:8]) < SCENES:
            shutil.copyfile(file, folder / file.name)
    return folder, truth


@pytest.mark.slow  # eight programs, each of which imports torch; two short pretrainings
def test_a_new_users_hour(images: tuple[Path, dict[str, str]], tmp_path: Path, program) -> None:
    folder, truth = images
    recipe, backbone, chosen, answer = (tmp_path / name for name in ("mine.yaml", "backbone", "chosen", "answer"))
    classes = sorted({truth[file.name] for file in folder.iterdir()})
    assert "no labels" in typed("plan", folder, SENSOR, "--out", recipe)
    typed("pretrain", recipe, *SHORT, "--out", backbone)

    told = typed("select", folder, "--weights", backbone, "--budget", "24", "--audit", "40", "--out", chosen)
    assert "40 audit images: an accuracy of 80 % will be known to" in told and "Chosen: 24 of" in told
    rows = list(csv.DictReader((chosen / "select.csv").open(newline="", encoding="utf-8")))
    assert [row["split"] for row in rows].count("test") == 40 and len(rows) == 64

    page = program(folder, SENSOR, "--classes", ",".join(classes), "--rows", chosen / "select.csv")
    site = Site(page.address)
    for at, row in enumerate(rows):
        assert site.answer(at, truth[row["path"]]).code == 200
    labels = folder / "labels.csv"
    given = {row["path"]: row["label"] for row in csv.DictReader(labels.open(newline="", encoding="utf-8"))}
    assert given == {row["path"]: truth[row["path"]] for row in rows}

    second = tmp_path / "with-labels.yaml"
    assert "Scored on 40 images drawn at random before labelling (audit) alone; the 24 chosen ones (typical) only train." in typed(
        "plan", folder, SENSOR, "--labels", labels, "--out", second
    )
    ended = typed("run", second, *SHORT, "evaluate.sizes=[64]", "--out", answer)
    assert "propagate, " in ended and "Report: " in ended
    scored = {row["path"] for row in csv.DictReader((answer / "splits.csv").open(newline="", encoding="utf-8")) if "test" in row["role"]}
    assert scored == {row["path"] for row in rows if row["chosen"] == "audit"}
    claims = json.loads((answer / "claims.json").read_text(encoding="utf-8"))
    assert claims["primary"]["arm"] == "imagenet+domain" and claims["primary"]["verdict"] != "indicative only"

    (answer / "report.html").unlink()
    typed("report", answer)
    assert "drawn at random before labelling (audit) alone" in (answer / "report.html").read_text(encoding="utf-8")
