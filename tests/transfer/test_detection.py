"""The task of detection: its strata, what it refuses, which sets are its own, its words, and its answers through a run's files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from labelfree.data.box_labels import BoxLabels
from labelfree.data.boxes import Boxes, Detections
from labelfree.data.budgets import budget, draw_order
from labelfree.data.label_formats.listed import Drawn, ListedImage
from labelfree.data.label_formats.regions import rectangle
from labelfree.domain import Row
from labelfree.errors import DataError, RecipeError
from labelfree.recipe import Evaluate, Primary
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.claims import save_precision_recall
from labelfree.transfer.claims.scores import read_scores
from labelfree.transfer.question import Question
from labelfree.transfer.tables import write_tables
from labelfree.transfer.tasks.detection import NOTHING, BoxTargets, Detection
from labelfree.transfer.tasks.registry import find_metric, task_for
from tests.transfer.detections import TASK, answers, example, measure, targets


class Unasked(Detection):
    """Detection without its protocols, which are another module's."""

    protocols = ()


HARBOUR = {"a": {"ship": 8, "crane": 2}, "b": {"ship": 1}, "c": {}, "d": {"buoy": 5, "ship": 9}, "e": {"crane": 1}}
NAMES = ("buoy", "crane", "ship")
BOX, AREA = Drawn("ship", (0, 0, 9, 9), "line 1"), Drawn("ship", (0, 0, 9, 9), "line 2", region=rectangle(0, 0, 9, 9))


def listed(*drawn: Drawn, name: str = "x", **known: object) -> Row:
    return Row(name, Path(name), boxes="labels.json", listed=ListedImage(name, "labels.json", drawn=list(drawn), **known))  # type: ignore[arg-type]


def task_over(objects: Mapping[str, Mapping[str, int]], classes: Sequence[str] = NAMES) -> tuple[Detection, list[Row]]:
    rows = [listed(*([BOX] if shown else []), name=name) for name, shown in objects.items()]
    labels = BoxLabels(tuple(classes), objects, "made up", (), (), {name: Boxes.none() for name in objects})
    return Detection().over(rows, SimpleNamespace(boxes=lambda given: labels)), rows  # type: ignore[arg-type]


def ask(task: Detection, rows: Sequence[Row], train: int | None = None) -> Question:
    split = len(rows) if train is None else train
    return Question(
        dataset="made-up",
        split="dev",
        task=task,
        ids=tuple(row.id for row in rows),
        groups=(None,) * len(rows),
        strata=tuple(map(task.stratum, rows)),
        targets=task.targets(rows),
        train=np.arange(split),
        score=np.arange(split, len(rows)) if split < len(rows) else None,
    )


def test_a_stratum_is_the_class_of_fewest_images_that_a_row_shows() -> None:
    task, rows = task_over(HARBOUR)
    assert [task.stratum(row) for row in rows] == ["crane", "ship", NOTHING, "buoy", "crane"]
    assert [task.caption(row) for row in rows] == ["8 ship, 2 crane", "1 ship", NOTHING, "9 ship, 5 buoy", "1 crane"]
    assert task.taught(rows[3]) == {"buoy", "ship"} and task.taught(rows[2]) == set()
    assert task.summary(rows) == "detection of 3 classes"
    assert task_over({"a": {"ship": 1}}, ["ship"])[0].summary(rows) == "detection of 'ship'"


def test_a_budget_begins_with_an_object_and_counts_images() -> None:
    strata = [NOTHING] * 40 + ["ship"] * 4 + ["buoy"] * 2
    for draw in range(20):
        order = draw_order(strata, [None] * 46, [str(at) for at in range(46)], seed=1, draw=draw)
        budgets = [set(budget(order, size, TASK.counts_in_all, TASK.empty_stratum).tolist()) for size in (1, 2, 5, 20)]
        assert [len(rows) for rows in budgets] == [1, 2, 5, 20]
        assert min(budgets[0]) >= 40 and all(small <= large for small, large in pairwise(budgets))


def test_images_without_objects_cannot_be_learnt_from_or_scored() -> None:
    task, rows = task_over({"a": {}, "b": {}, "c": {"ship": 2}}, ["ship"])
    with pytest.raises(DataError, match="made-up: no image to learn from shows an object"):
        ask(task, rows, train=2)
    with pytest.raises(DataError, match="made-up: no image to be scored shows an object"):
        ask(task, rows[::-1], train=1)
    with pytest.raises(DataError, match="None of the 2 train images shows an object"):
        task.check_split(rows[:2], None)


def test_a_scored_class_without_a_train_image_is_named() -> None:
    task, rows = task_over(HARBOUR)
    with pytest.raises(DataError, match=r"Class 'buoy' is on 1 scored images and on no train image; .*data.classes=\{buoy: ignore\}"):
        task.check_split(rows[:3], rows[3:])
    task.check_split(rows[:2], rows[2:3])


def test_rows_are_labelled_by_what_is_drawn_and_by_seeing_nothing() -> None:
    assert TASK.labelled(listed(BOX)) and TASK.labelled(listed(AREA)) and TASK.labelled(listed())
    assert not TASK.labelled(listed(labels=("ship",)))
    assert not TASK.labelled(listed(dataclasses.replace(BOX, kind="line", box=None)))
    assert not TASK.labelled(Row("x", Path("x"), label="ship"))
    task, rows = task_over({name: HARBOUR[name] for name in "ab"})
    assert task.labelled(rows[0]) and not task.labelled(listed(BOX, name="faulty"))


def named(rows: Sequence[Row], metric: str = "accuracy", protocol: str = "knn") -> str:
    primary = Primary.model_construct(arm="a", against="b", protocol=protocol, budget=5, metric=metric)
    return task_for(Evaluate.model_construct(task="auto", protocols=[protocol], primary=primary), rows).name


def test_a_set_is_of_detection_where_it_has_boxes_and_no_areas() -> None:
    boxes, negatives = [listed(BOX), listed(BOX)], [listed(), listed()]
    assert named([*negatives, *boxes]) == "detection"
    assert named([*boxes, listed(AREA), *negatives]) == "segmentation"
    assert named([*boxes, Row("m", Path("m"), mask="m.png")]) == "segmentation"
    assert named([dataclasses.replace(row, label="port") for row in boxes]) == "classification"


def test_a_metric_of_detection_asks_it_of_a_set_with_areas_too() -> None:
    assert named([listed(AREA), listed()], metric="map", protocol="frozen") == "detection"
    assert named([listed(AREA), listed()], metric="mean_iou", protocol="frozen") == "segmentation"


def test_targets_know_their_boxes_by_entry_and_what_they_are_known_by() -> None:
    drawn = [Boxes.of([[0, 0, at + 1, 1]], [0]) for at in range(4)]
    chosen = targets(drawn, 1)[np.array([3, 1])]
    assert chosen.values.tolist() == [3, 1] and chosen.load(3).corners[0, 2] == 4
    assert len(TASK.answers([Detections.none()] * 2, chosen)) == 2
    assert BoxTargets(np.arange(2), 1, digest="one").content != BoxTargets(np.arange(2), 1, digest="two").content
    task, rows = task_over(HARBOUR)
    assert task.legend(task.targets(rows)) == list(NAMES) and task.targets(rows).content == "made up"


def test_the_rarest_class_is_counted_in_scored_images() -> None:
    ship, both = Boxes.of([[0, 0, 9, 9]] * 2, [2, 2]), Boxes.of([[0, 0, 9, 9]] * 2, [1, 2])
    shown = [ship, both, ship, Boxes.none()]
    assert TASK.rarest(answers([(Detections.none(), drawn) for drawn in shown], 3)) == 1
    assert TASK.axis(12.0, answers([(Detections.none(), ship)], 3)) == 12.0  # labelled images


def test_sizes_without_objects_are_not_asked() -> None:
    sides = {"ap_small": 31, "ap_medium": 60, "ap_large": 97}
    for name, side in sides.items():
        of = targets([Boxes.none(), Boxes.of([[0, 0, side, side], [0, 0, 900, 900]], [0, 0], [False, True])], 1)
        assert set(TASK.metrics_of(of)) == {"map", "ap50", "ap75", name}
        for other in sides.keys() - {name}:
            with pytest.raises(RecipeError, match=rf"{other} needs objects \w+ .*, which these labels do not tell; there are map, ap50"):
                find_metric(TASK, other, of)


def test_answers_come_back_from_the_files_of_a_run(tmp_path: Path) -> None:
    made = example(5, images=8, classes=3)
    table, of = answers(made, 3), targets([drawn for _, drawn in made], 3)
    question = Question(
        dataset="made-up",
        split="dev",
        task=Unasked(),
        ids=tuple(f"{at}.png" for at in range(8)),
        groups=(None,) * 8,
        strata=("class 1",) * 8,
        targets=of,
        train=np.arange(3),
        score=np.arange(8),
    )
    cells = {
        CellKey(arm, "net", 0, "frozen", 3, draw, 0): Cell(np.arange(8), table, 0, 3, "none", 1.0, None, True, {})
        for arm in ("random", "imagenet")
        for draw in range(2)
    }
    write_tables(question, cells, tmp_path)
    point = ("random", "frozen", "3")
    for name in TASK.metrics_of(of):
        scores = read_scores(tmp_path, name)
        assert scores.values(point)[0, 0, 0] == pytest.approx(measure(name, table), nan_ok=True)
        assert {row["metric"] for row in scores.results} == set(TASK.metrics_of(of))
    assert read_scores(tmp_path, "map").words.metric("map").heading == "average precision, mean over overlaps of 50 to 95 %"
    assert np.isfinite(read_scores(tmp_path, "map").resampled(point)).any()

    primary = {"arm": "random", "against": "imagenet", "protocol": "frozen", "budget": "3", "metric": "map"}
    (tmp_path / "claims.json").write_text(json.dumps({"primary": primary}))
    told = json.loads(save_precision_recall(tmp_path).read_text())  # type: ignore[union-attr]
    half = told["arms"]["random"]["curves"]["overlaps of 50 % and more"]
    assert np.mean(half["mean"]) == pytest.approx(measure("ap50", table), abs=1e-4)
    assert len(half["mean"]) == 101 and len(half["classes"]) == 3
    known = [value for value in told["arms"]["imagenet"]["scores"]["mAP"] if value is not None]
    assert np.mean(known) == pytest.approx(measure("map", table), abs=1e-4)


def test_no_curves_are_drawn_of_a_run_that_claims_nothing(tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text(json.dumps({"primary": None}))
    (tmp_path / "precision_recall.json").write_text("{}")
    assert save_precision_recall(tmp_path) is None and not (tmp_path / "precision_recall.json").exists()
