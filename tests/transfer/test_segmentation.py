"""The task of segmentation: its strata, what it refuses, its words, and its answers through a run's files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from labelfree.data.label_formats.listed import Drawn, ListedImage
from labelfree.data.label_formats.regions import Runs
from labelfree.domain import Row
from labelfree.errors import DataError, RecipeError
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.claims import save_confusions
from labelfree.transfer.claims.scores import read_scores
from labelfree.transfer.question import Question
from labelfree.transfer.tables import write_tables
from labelfree.transfer.tasks.boundaries import boundaries
from labelfree.transfer.tasks.masks import Kept, Masks
from labelfree.transfer.tasks.registry import find_metric
from labelfree.transfer.tasks.segmentation import NOTHING, Segmentation
from tests.transfer.masks import TASK, answers, example, measure
from tests.transfer.masks import masks as of_masks


@dataclasses.dataclass(frozen=True)
class Counted:
    """What pixels show, made up: row id -> class -> pixels."""

    classes: tuple[str, ...]
    pixels: Mapping[str, Mapping[str, int]]
    digest: str = "made up"

    def mask(self, row: Row, sample: object) -> np.ndarray:
        lengths = [self.pixels[row.id].get(name, 0) for name in self.classes]
        return np.repeat(np.arange(len(lengths)), lengths)[None].astype(np.int16)

    def instances(self, row: Row, sample: object) -> np.ndarray | None:
        return None


def rows_of(pixels: Mapping[str, object]) -> list[Row]:
    return [Row(name, Path(name), mask=f"{name}.png") for name in pixels]


def task_over(pixels: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> tuple[Segmentation, list[Row]]:
    rows = rows_of(pixels)
    return Segmentation().over(
        rows, SimpleNamespace(pixels=lambda given: Counted(tuple(classes), {row.id: pixels[row.id] for row in given}))
    ), rows


LAND = {
    "a": {"background": 90, "pit": 8, "dust": 2},
    "b": {"background": 70, "dust": 30},
    "c": {"background": 100},
    "d": {"background": 40, "dust": 50, "pit": 10},
    "e": {"background": 99, "dust": 1, "rust": 0},
}
NAMES = ("background", "dust", "pit", "rust")


def test_a_stratum_is_the_class_of_fewest_images_that_a_row_shows() -> None:
    task, rows = task_over(LAND, NAMES)
    assert [task.stratum(row) for row in rows] == ["pit", "dust", NOTHING, "pit", "dust"]
    assert task.empty_stratum == NOTHING
    assert task.counts_in_all
    assert [task.caption(row) for row in rows] == ["pit, dust", "dust", NOTHING, "dust, pit", "dust"]


def test_of_equally_rare_classes_the_first_by_name_and_land_cover_has_no_empty_images() -> None:
    task, rows = task_over({"a": {"sea": 5, "bog": 4}, "b": {"sea": 9, "bog": 1}, "c": {"bog": 2}}, ("bog", "sea"))
    assert [task.stratum(row) for row in rows] == ["sea", "sea", "bog"]
    even, pair = task_over({"a": {"sea": 5, "bog": 4}}, ("bog", "sea"))
    assert even.stratum(pair[0]) == "bog"


def test_rows_are_labelled_by_masks_areas_and_negatives_and_not_by_boxes_alone() -> None:
    def listed(**known: object) -> Row:
        return Row("x", Path("x"), listed=ListedImage("x", "labels.json", **known))

    box = Drawn("pit", (0, 0, 9, 9), "line 1")
    area = dataclasses.replace(box, region=Runs.of(np.ones((4, 4), bool)))
    assert TASK.labelled(Row("x", Path("x"), mask="x.png"))
    assert TASK.labelled(listed(drawn=[area]))
    assert TASK.labelled(listed())  # listed, and nothing drawn: a negative
    assert not TASK.labelled(listed(drawn=[box]))
    assert not TASK.labelled(listed(labels=("pit",)))
    assert not TASK.labelled(Row("x", Path("x"), label="pit"))


def test_summaries_name_one_class_and_count_several() -> None:
    land, rows = task_over(LAND, NAMES)
    water, pools = task_over({"a": {"background": 1, "water": 3}}, ("background", "water"))
    cover, fields = task_over({"a": {"bog": 1, "sea": 3}}, ("bog", "sea"))
    assert land.summary(rows) == "segmentation of 3 classes against background"
    assert water.summary(pools) == "segmentation of 'water' against background"
    assert cover.summary(fields) == "segmentation into 2 classes"
    assert [task.advised_metric(rows)[0] for task in (land, water, cover)] == ["mean_iou", "dice", "mean_iou"]


def test_a_scored_class_without_a_train_image_is_named() -> None:
    task, rows = task_over(LAND, NAMES)
    with pytest.raises(DataError, match=r"Class 'pit' is on 2 scored images and on no train image"):
        task.check_split(rows[1:3], [rows[0], rows[3]])
    with pytest.raises(DataError, match="None of the 1 train images shows an object"):
        task.check_split([rows[2]], None)
    task.check_split(rows[:2], rows[2:])


def test_one_class_alone_cannot_be_asked() -> None:
    task, rows = task_over({"a": {"sea": 4}, "b": {"sea": 2}}, ("sea",))
    with pytest.raises(DataError, match=r"All labelled pixels are of one class \(sea\)"):
        task.check_split(rows, None)
    with pytest.raises(DataError, match=r"pixels of one class only \(sea\)"):
        ask(task, rows)


def test_a_question_without_objects_cannot_be_asked() -> None:
    task, rows = task_over({"a": {"background": 4}, "b": {"background": 2}, "c": {"background": 2, "pit": 1}}, ("background", "pit"))
    with pytest.raises(DataError, match="no image to learn from shows an object"):
        ask(task, rows, train=2)


def images_of(rows: Sequence[Row], spacing: float = np.nan, unit: str = "") -> SimpleNamespace:
    """Images with pixels of `spacing` in `unit`, whose content nobody reads."""
    index = SimpleNamespace(spacing=np.full((len(rows), 2), spacing))
    pool = SimpleNamespace(index=index, row_of=np.arange(len(rows)))
    return SimpleNamespace(pool=pool, read=lambda row: SimpleNamespace(tags={"spacing_unit": unit}), tolerance=None)


def ask(task: Segmentation, rows: Sequence[Row], train: int | None = None, **known: object) -> Question:
    split = len(rows) if train is None else train
    return Question(
        dataset="made-up",
        split="dev",
        task=task,
        ids=tuple(row.id for row in rows),
        groups=(None,) * len(rows),
        strata=tuple(map(task.stratum, rows)),
        targets=task.targets(rows, images_of(rows, **known)),
        train=np.arange(split),
        score=np.arange(split, len(rows)) if split < len(rows) else None,
    )


def test_targets_load_masks_by_entry_and_know_what_they_are_known_by() -> None:
    task, rows = task_over(LAND, NAMES)
    targets = task.targets(rows, images_of(rows))
    chosen = targets[np.array([3, 1])]
    assert chosen.values.tolist() == [3, 1]
    assert np.bincount(targets.load(3).ravel()).tolist() == [40, 50, 10]
    assert targets.content == "made up"
    assert task.legend(targets) == list(NAMES)
    assert targets.foreground == range(1, 4)


@pytest.mark.parametrize(
    ("spacing", "unit", "told"), [(10.0, "metre", "m"), (0.5, "mm", "mm"), (np.nan, "", ""), (10.0, "", ""), (1e-4, "degree", "")]
)
def test_distances_have_the_unit_of_pixels_and_are_left_out_without_one(spacing: float, unit: str, told: str) -> None:
    task, rows = task_over(LAND, NAMES)
    targets = task.targets(rows, images_of(rows, spacing, unit))
    metrics = task.metrics_of(targets)
    assert ("hd95" in metrics) == bool(told)
    assert "pq" not in metrics
    assert "empty_kept" in metrics
    assert next(iter(metrics)) == "mean_iou"
    if told:
        words = task.words_of(targets).metric("hd95")
        assert (words.unit, words.higher_is_better) == (told, False)
        assert words.difference(-1.5) == f"-1.5 {told}"
        assert task.words_of(targets).metric("surface_dice").words == f"surface Dice within {spacing:g} {told}"
    else:
        with pytest.raises(RecipeError, match="hd95 needs the size of a pixel, which these labels do not tell; there are mean_iou, dice"):
            find_metric(task, "hd95", targets)


def test_the_tolerance_of_surfaces_is_the_longest_side_of_a_pixel_or_as_given_and_part_of_what_is_asked() -> None:
    task, rows = task_over(LAND, NAMES)
    images = images_of(rows, 1.0, "mm")
    images.pool.index.spacing[:, 1] = 5.0
    assert task.targets(rows, images).tolerance == 5.0
    images.tolerance = 2.0
    assert task.targets(rows, images).tolerance == 2.0
    assert task.words_of(task.targets(rows, images)).metric("surface_dice").words == "surface Dice within 2 mm"
    assert task.targets(rows, images).content != task.targets(rows, images_of(rows, 1.0, "mm")).content
    assert task.targets(rows, images_of(rows)).content == "made up"  # where no size is known nothing is measured by it


def test_metrics_of_objects_are_asked_where_labels_tell_them_apart() -> None:
    truth = np.ones((4, 4), np.int16)
    apart = of_masks([truth], 2, objects=lambda entry: truth)
    assert {"pq", "aji"} <= set(TASK.metrics_of(apart))
    assert not {"empty_kept", "absent_kept"} & set(TASK.metrics_of(of_masks([truth], 1, background=False)))
    assert "absent_kept" in TASK.metrics_of(of_masks([truth], 3))


def test_the_rarest_class_is_counted_in_scored_images() -> None:
    blank, one, two = np.zeros((2, 2), np.int16), np.array([[0, 1], [1, 1]], np.int16), np.array([[2, 1], [0, 0]], np.int16)
    assert TASK.rarest(answers([blank, one, one, two], [blank] * 4, 4)) == 1
    assert TASK.rarest(answers([blank, one, one], [blank] * 3, 2)) == 2
    assert TASK.axis(12.0, answers([one], [one], 2)) == 12.0  # labelled images


def test_answers_take_a_stream_and_hold_one_image_at_a_time() -> None:
    truths, called = example(1, images=5, classes=3)
    alive = 0

    def stream() -> object:
        nonlocal alive
        for mask in called:
            alive += 1
            assert alive == 1
            yield mask
            alive -= 1

    assert len(TASK.answers(stream(), of_masks(truths, 3))) == 5
    with pytest.raises(ValueError, match="longer than argument 1"):
        TASK.answers(iter(called[:4]), of_masks(truths, 3))


@pytest.mark.parametrize("known", [{}, {"spacing": np.full((6, 2), 10.0), "unit": "m"}])
def test_answers_come_back_from_the_files_of_a_run(tmp_path: Path, known: dict[str, object]) -> None:
    truths, called = example(5, images=6, classes=3)
    targets = of_masks(truths, 3, **known)
    table = TASK.answers(called, targets)
    question = Question(
        dataset="made-up",
        split="dev",
        task=TASK,
        ids=tuple(f"{at}.png" for at in range(6)),
        groups=(None,) * 6,
        strata=("class 1",) * 6,
        targets=targets,
        train=np.arange(3),
        score=np.arange(6),
    )
    cell = Cell(np.arange(6), table, 0, 3, "none", 1.0, None, True, {})
    write_tables(question, {CellKey("random", "net", 0, "linear", 3, 0, 0): cell}, tmp_path)
    point = ("random", "linear", "3")
    for name in TASK.metrics_of(targets):
        scores = read_scores(tmp_path, name)
        assert scores.values(point)[0, 0, 0] == pytest.approx(measure(name, table), nan_ok=True)
        assert {row["metric"] for row in scores.results} == set(TASK.metrics_of(targets))
        assert scores.words.metric("hd95").unit == ("m" if known else "share")
    assert np.isfinite(read_scores(tmp_path, "dice").resampled(point)).any()
    primary = {"arm": "random", "against": "random", "protocol": "linear", "budget": "3", "metric": "dice"}
    (tmp_path / "claims.json").write_text(json.dumps({"primary": primary}))
    told = json.loads(save_confusions(tmp_path).read_text())
    assert told["counted"] == "pixels"
    assert np.nanmean(np.array(told["shares"]["random"]["IoU"], float)) == pytest.approx(measure("mean_iou", table))
    assert np.nanmean(np.array(told["shares"]["random"]["Dice"][1:], float)) == pytest.approx(measure("dice", table))
    if not known:
        assert "means" not in told, "no spacing, no distances"
        return
    each = np.array([[one.hd95 for one in boundaries(*pair, range(1, 3), (10.0, 10.0), 10.0)] for pair in zip(truths, called, strict=True)])
    assert told["means"]["random"]["hd95"] == [None, *np.nanmean(each, 0).tolist()], "of each class over the images that show it"


def test_targets_of_masks_differ_where_masks_do() -> None:
    first, second = (Masks(np.arange(3), 2, ("background", "pit"), digest=digest) for digest in ("one", "two"))
    assert first.content != second.content


def test_masks_are_read_once_and_so_many_are_held_as_there_is_room_for() -> None:
    read: list[int] = []

    def load(entry: int) -> np.ndarray:
        read.append(entry)
        return np.full(10, entry, np.int16)

    kept = Kept(load, most=40)  # two masks of 20 bytes
    assert [int(kept(entry)[0]) for entry in (1, 2, 1, 3, 1, 2)] == [1, 2, 1, 3, 1, 2]
    assert read == [1, 2, 3, 2]  # 2 was asked for longest ago when 3 came
    with pytest.raises(ValueError, match="read-only"):
        kept(1)[0] = 5
    small = Kept(load, most=1)
    assert small(7)[0] == 7  # one is held, however large


@dataclasses.dataclass(frozen=True)
class Apart(Counted):
    """Of these every row but "b" tells objects apart: each class is one."""

    def instances(self, row: Row, sample: object) -> np.ndarray | None:
        return None if row.id == "b" else self.mask(row, sample).astype(np.int32)


def test_objects_count_in_the_images_that_tell_them_apart() -> None:
    pixels = {"a": {"background": 9, "pit": 4}, "b": {"background": 9, "pit": 4}, "c": {"background": 13}}
    rows = rows_of(pixels)
    task = Segmentation().over(rows, SimpleNamespace(pixels=lambda given: Apart(("background", "pit"), pixels)))
    targets = task.targets(rows, images_of(rows))
    table = task.answers([targets.load(0), np.zeros((1, 13), int), targets.load(2)], targets)
    assert (measure("pq", table), measure("aji", table)) == (1.0, 1.0)  # "b" missed its pit, if it is one
    assert measure("dice", table) == pytest.approx(2 * 4 / (4 + 8))
