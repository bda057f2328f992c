"""PROTOCOL 20 from end to end: a pretraining that knows the audit, its weights compared on it, and those that saw it refused.

Each pretraining and comparison takes a few seconds: networks are built, images read.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.errors import DataError, LeakError, RecipeError
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent

SMALL = [
    "backbone={name: test_resnet, init: random}", "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=8",
    "pretrain.options={hidden: 32}", "evaluate.sizes=[32]", "evaluate.draws=2", "evaluate.labels_per_class=[2]",
    "evaluate.protocols=[knn]", "data.leak_limit=1.0",
    "evaluate.arms=[random, domain]", "evaluate.primary={arm: domain, against: random, protocol: knn, budget: 2, metric: accuracy}",
]  # fmt: skip
CHOSEN = [(f"{i:02d}.png", "ab"[i % 2], "", "typical") for i in range(12)]
AUDIT = [(f"{i:02d}.png", "ab"[i % 2] if i > 13 else "", "test", "audit") for i in range(12, 24)]  # two were skipped


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pictures of two kinds, darker and lighter, and beside them tables of what was chosen: `select.csv` and `labels.csv`."""
    root = tmp_path_factory.mktemp("mine")
    draw = np.random.default_rng(0)
    for i in range(40):
        pixels = draw.normal(90 + 60 * (i % 2), 25, (32, 32, 3)).clip(0, 255).astype(np.uint8)
        (root / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / "images" / f"{i:02d}.png")
    write(root / "select.csv", ("path", "split", "chosen", "reason"), [(path, *rest, "") for path, _, *rest in (*CHOSEN, *AUDIT)])
    write(root / "labels.csv", ("path", "label", "split", "chosen"), [*CHOSEN, *AUDIT])
    write(root / "chosen.csv", ("path", "label", "split", "chosen"), CHOSEN)
    return root


def write(file: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


def asked(folder: Path, table: str | None) -> list[str]:
    return [f"data.root={folder / 'images'}", *([f"data.labels={folder / table}"] if table else []), *SMALL]


def with_weights(run: Run) -> list[str]:
    return [f"evaluate.arms=[random, {{name: mine, weights: {run.weights}}}]", "evaluate.primary.arm=mine"]


@pytest.fixture(scope="module")
def aware(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Pretrained on the table of what was chosen, before anybody gave a label."""
    return labelfree.pretrain("satellite_simclr", asked(folder, "select.csv"), tmp_path_factory.mktemp("runs") / "aware", say=Silent())


@pytest.fixture(scope="module")
def unaware(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Pretrained on every image."""
    return labelfree.pretrain("satellite_simclr", asked(folder, None), tmp_path_factory.mktemp("runs") / "unaware", say=Silent())


def test_the_pool_is_without_the_audit(aware: Run) -> None:
    with (aware.folder / "splits.csv").open(newline="") as stream:
        roles = {row["path"]: (row["role"], row["chosen"]) for row in csv.DictReader(stream)}
    assert {role for path, role in roles.items() if path < "12"} == {("pool", "typical")}
    assert {role for path, role in roles.items() if "12" <= path < "24"} == {("unused", "audit")}
    assert {role for path, role in roles.items() if path >= "24"} == {("pool", "")}


def test_its_weights_are_scored_on_the_audit_alone(folder: Path, aware: Run, tmp_path: Path) -> None:
    run = labelfree.evaluate("satellite_simclr", [*asked(folder, "labels.csv"), *with_weights(aware)], tmp_path / "run", say=Silent())
    with run.results.open(newline="") as stream:
        assert {row["split"] for row in csv.DictReader(stream)} == {"test"}
    said = "Scored on 10 images drawn at random before labelling (audit) alone; the 12 chosen ones (typical) only train."
    (note,) = [note for note in run.claims["notes"] if note.startswith("Scored on")]
    assert note.startswith(said) and "2 of 12 audit images have no label" in note
    assert not run.headline.startswith("Indicative") and said in run.report.read_text()


def test_weights_that_saw_the_audit_are_refused(folder: Path, unaware: Run, tmp_path: Path) -> None:
    compared = [*asked(folder, "labels.csv"), *with_weights(unaware)]
    with pytest.raises(LeakError, match=r"evaluate\.arms: .*backbone\.safetensors was pretrained on 10 of the 10 scored images") as leak:
        labelfree.evaluate("satellite_simclr", compared, tmp_path / "run", say=Silent())
    for way in ("imagenet+domain", "data.transductive=true", "`labelfree select FOLDER --audit 100", "data.labels=audit/select.csv"):
        assert way in str(leak.value)
    run = labelfree.evaluate("satellite_simclr", [*compared, "data.transductive=true"], tmp_path / "run", say=Silent())
    assert any(note.startswith("Transductive: backbone.safetensors") for note in json.loads((run.folder / "notes.json").read_text()))
    with pytest.raises(LeakError, match="12 of the 12 scored"):  # folds over chosen images score them too
        labelfree.evaluate("satellite_simclr", [*asked(folder, "chosen.csv"), *with_weights(unaware)], tmp_path / "cv", say=Silent())


def test_labels_that_come_later_may_not_reach_into_the_pool(folder: Path, aware: Run, unaware: Run) -> None:
    with pytest.raises(RecipeError, match=r"holds a run of another recipe.*its weights can be an arm there"):
        labelfree.evaluate("satellite_simclr", asked(folder, "labels.csv"), aware.folder, say=Silent())
    table = folder / "images" / "splits.csv"  # read where no table is named: the recipe is the very same
    write(table, ("path", "label", "split", "chosen"), [*CHOSEN, *AUDIT, *((f"{i}.png", "", "pretrain", "") for i in range(24, 40))])
    try:
        with pytest.raises(DataError, match=r"10 of the 10 scored images \(such as 14\.png\) among them; start a new folder with --out"):
            labelfree.evaluate("satellite_simclr", asked(folder, None), unaware.folder, say=Silent())
    finally:
        table.unlink()
    assert ",pool" in (unaware.folder / "splits.csv").read_text()  # still says what was pretrained on


def test_without_an_audit_a_run_is_indicative_only(folder: Path, tmp_path: Path) -> None:
    run = labelfree.run("satellite_simclr", asked(folder, "chosen.csv"), tmp_path / "run", say=Silent())
    assert run.headline.startswith("Indicative only: ") and run.claims["primary"]["verdict"] == "indicative only"
    assert run.claims["labels_saved"] is None and "12 of 12 labels were chosen (typical)" in run.report.read_text()
