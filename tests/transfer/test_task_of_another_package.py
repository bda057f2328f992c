"""A task from another package gets a whole comparison and report, without a line of the core that knows of it (tests/plugins)."""

from __future__ import annotations

import csv
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.data.cards import read_card
from labelfree.deploy.loading import load_head
from labelfree.domain import Row
from labelfree.errors import DataError, RecipeError
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from labelfree.recipe import Recipe
from labelfree.transfer.plugins import made
from labelfree.transfer.protocols.registry import find_protocol
from labelfree.transfer.tasks import Weights
from labelfree.transfer.tasks.registry import find_task
from tests.docs.pages import TOP

PLUGIN = Path(__file__).parents[1] / "plugins" / "toy_regression"
IMAGES = 96


@pytest.fixture(scope="module")
def installed() -> Iterator[None]:
    """The package, as pip would lay it down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        made.cache_clear()
        yield
    made.cache_clear()
    sys.modules.pop("toy_regression", None)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that are the redder the higher, whatever their brightness; and as many without a label."""
    folder = tmp_path_factory.mktemp("heights")
    generator = np.random.default_rng(0)
    lines = ["path,label,split"]
    for number in range(2 * IMAGES):
        height = generator.uniform(2, 30)
        pixels = generator.uniform(40, 160) + generator.normal(0, 6, (24, 24, 3)) + height * np.array([2, 0, 0])
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:03}.png")
        split = "pretrain" if number >= IMAGES else "train" if number < IMAGES // 2 else "dev"
        lines.append(f"{number:03}.png,{height:.2f},{split}" if number < IMAGES else f"{number:03}.png,,{split}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def asked(images: Path, **evaluate: object) -> dict[str, object]:
    return {
        "data.root": images,
        "data.labels": images / "labels.csv",
        "backbone.name": "resnet10t",
        "backbone.init": "random",
        "evaluate": {
            "task": "height",
            "on": "dev",
            "arms": ["statistics", "random"],
            "protocols": ["knn", "ridge"],
            "labels_per_class": [6, 12, "all"],
            "draws": 8,
            "sizes": [32],
            "primary": {"arm": "statistics", "against": "random", "protocol": "ridge", "budget": 12, "metric": "mae"},
            **evaluate,
        },
    }


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory, installed: None) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELFREE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return labelfree.run(Recipe(domain="satellite"), asked(images), tmp_path_factory.mktemp("out") / "run", say=Silent())


def test_fewer_metres_are_better(run: Run) -> None:
    """Means of channels tell the height and random weights blur it, so statistics must win: by a lower error."""
    primary = run.claims["primary"]
    assert primary["metric"] == "mae" and primary["mean"] < 0 and primary["high"] < 0 and primary["verdict"] == "better"
    assert run.headline.startswith("statistics beats random at 12 labelled images (ridge, mean absolute error): -")
    assert " m (95 % interval -" in run.headline and "points" not in run.headline


def test_a_better_arm_saves_labels_whichever_way_the_metric_points(run: Run) -> None:
    saved = run.claims["labels_saved"]
    assert saved["at"] == 12
    assert saved["ratio"] is None or saved["ratio"] > 1, "None: the other arm never gets there"


def test_results_hold_the_task_s_own_metrics_and_answers(run: Run) -> None:
    import pyarrow.parquet as pq

    with run.results.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["task"] for row in rows} == {"height"} and {row["metric"] for row in rows} == {"mae", "r2"}
    answers = pq.read_table(run.folder / "predictions.parquet")
    cell = [row for row in rows if (row["arm"], row["protocol"], row["budget"], row["metric"]) == ("statistics", "ridge", "all", "mae")]
    kept = [all(answers[name][i].as_py() == value for name, value in (("arm", "statistics"), ("protocol", "ridge"), ("budget", "all")))
            for i in range(len(answers))]  # fmt: skip
    off = np.abs(answers["told"].to_numpy() - answers["target"].to_numpy())[kept]
    assert float(cell[0]["value"]) == pytest.approx(off.mean(), rel=1e-6)


def test_the_head_tells_numbers(run: Run) -> None:
    head = load_head(run.folder / "heads" / "ridge.safetensors").head
    assert head(np.zeros((3, 6), np.float32)).shape == (3, 1)


def test_the_report_speaks_the_task_s_words(run: Run) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "labelled images" in page and "mean absolute error" in page
    assert "a class" not in page.partition("recipe.yaml")[0]
    assert "No arm of this recipe is pretrained." in page and "Pretrained on" not in page
    assert json.loads((run.folder / "task.json").read_text())["metrics"]["mae"] == {
        "words": "mean absolute error",
        "unit": "m",
        "higher_is_better": False,
        "title": "",
    }


def test_runs_of_it_are_compared(run: Run, tmp_path: Path) -> None:
    compared = labelfree.compare([run.folder], tmp_path / "out", say=Silent())
    (tested,) = compared.primaries
    claimed = run.claims["primary"]
    assert (tested.verdict, tested.low, tested.high) == ("better", claimed["low"], claimed["high"])
    assert " m (95 % interval -" in compared.lines()[0]
    assert "a class" not in (tmp_path / "out" / "compare.html").read_text(encoding="utf-8").partition("<script")[0]


def test_what_does_not_go_together_is_one_sentence(images: Path, tmp_path: Path, installed: None) -> None:
    for change, words in (
        ({"task": "hight"}, r"evaluate\.task must be auto or one of anomaly, classification"),
        ({"primary": {"arm": "statistics", "against": "random", "protocol": "ridge", "metric": "accuracy"}}, "not a metric of height"),
        ({"protocols": ["knn", "linear"], "primary": {"arm": "statistics", "against": "random", "protocol": "linear", "metric": "mae"}},
         "'linear' is not a protocol of height; it has knn, ridge"),
    ):  # fmt: skip
        with pytest.raises(RecipeError, match=words):
            labelfree.run(Recipe(domain="satellite"), asked(images, **change), tmp_path / "run", say=Silent())


def test_checking_the_data_speaks_of_no_classes(images: Path, tmp_path: Path, installed: None) -> None:
    """Each height stands once: as a class it could not be learnt."""
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"domain: satellite\ndata: {{root: {images}, labels: {images / 'labels.csv'}}}\nevaluate: {{task: height, on: dev,\n"
        "  arms: [statistics, random], protocols: [knn],\n"
        "  primary: {arm: statistics, against: random, protocol: knn, metric: mae}}\n")  # fmt: skip
    checked = labelfree.check_data(recipe, say=Silent())
    assert not checked.faults and "  labels: as height reads them" in list(checked.lines())


def test_neighbours_of_numbers_are_not_watched(images: Path, tmp_path: Path, installed: None) -> None:
    arms = {"arms": ["statistics", "domain"], "primary": {"arm": "domain", "against": "statistics", "protocol": "knn", "metric": "mae"}}
    with pytest.raises(RecipeError, match=r"pretrain\.watch_labels: labels of height name no classes"):
        labelfree.run(Recipe(domain="satellite"), asked(images, **arms) | {"pretrain.watch_labels": True}, tmp_path / "run", say=Silent())


def test_a_card_may_name_the_task(installed: None, tmp_path: Path) -> None:
    card = "---\nname: mine\ndomain: satellite\ntask: {}\nlicence: CC0\ncitation: none\n---\nHeights.\n"
    (tmp_path / "mine.md").write_text(card.format("height"))
    assert read_card(tmp_path / "mine.md").task == "height"
    (tmp_path / "mine.md").write_text(card.format("hight"))
    with pytest.raises(DataError, match="'hight' is not one of anomaly, classification, detection, height"):
        read_card(tmp_path / "mine.md")


def test_a_label_that_is_no_number_names_its_row(images: Path, tmp_path: Path, installed: None) -> None:
    table = (images / "labels.csv").read_text().replace("000.png,", "000.png,tall ", 1)
    (images / "tall.csv").write_text(table)
    with pytest.raises(DataError, match=r"000\.png: label 'tall .*' is no number; a height in metres is wanted\."):
        labelfree.run(Recipe(domain="satellite"), asked(images) | {"data.labels": images / "tall.csv"}, tmp_path / "run", say=Silent())


def test_the_page_s_task_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/extending.md, "A task of your own", word for word."""
    section = (TOP / "docs" / "extending.md").read_text(encoding="utf-8").partition("## A task of your own")[2].partition("\n## ")[0]
    code, project = (re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0] for language in ("python", "toml"))
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    (tmp_path / "height_task.py").write_text(code, encoding="utf-8")
    (about := tmp_path / "height-1.dist-info").mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: height\nVersion: 1\n")
    ((group, points),) = tomllib.loads(project)["project"]["entry-points"].items()
    (about / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()))
    monkeypatch.syspath_prepend(tmp_path)
    made.cache_clear()
    task = find_task("height")
    heights = [Row(f"{i}.png", Path(f"{i}.png"), label=str(float(i))) for i in range(8)]
    targets, features = task.targets(heights, None), np.random.default_rng(0).normal(size=(8, 4))
    (fit,) = find_protocol("knn").path(features, targets, features, [1.0])
    answers = task.answers(fit.output, targets)
    assert task.metrics["mae"].value(answers) == 0, "each row is its own nearest neighbour"
    off = task.answers(fit.output + 2.0, targets)
    assert task.metrics["mae"](off, Weights(np.array([[1, 0], [3, 1]]), np.arange(8) // 4)).tolist() == [2.0, 2.0]
    with pytest.raises(DataError, match="a height in metres is wanted"):
        task.targets([Row("a.png", Path("a.png"), label="tall")])
    made.cache_clear()
