"""A student of a head: what it learns, from which images, what its files do, and what is refused.

Pictures of three colours, and a teacher that reads nothing but mean and spread of each channel. The export takes ten seconds of a free
core, which torch needs to capture a network.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from safetensors.torch import load_file

import labelfree
from labelfree.backbones.weight_card import WeightCard
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import read_card, write_head
from labelfree.deploy.loaded_head import VectorHead
from labelfree.distilling.answers import Answers, softened, targets_of
from labelfree.distilling.images import student_images
from labelfree.distilling.student import Student, _at_temperature
from labelfree.domain import Row
from labelfree.errors import DataError, LeakError, RecipeError
from labelfree.pipeline.pretrained_on import History
from labelfree.progress import Silent
from labelfree.transfer.encoders import StatisticsEncoder
from labelfree.transfer.heads import train_head
from labelfree.transfer.protocols import Head, find_protocol
from labelfree.transfer.selection import Choice
from labelfree.transfer.tasks import Targets
from labelfree.transfer.tuning.training import Tuned
from tests.deploy.made_heads import map_head, statistics
from tests.small_runs import table

KINDS = ("field", "roof", "water")
RGB, ONES, ZEROS = ("red", "green", "blue"), (1.0,) * 3, (0.0,) * 3


def picture(number: int) -> np.ndarray:
    """(32, 32, 3) uint8 of the kind `number % 3`: a colour, and noise of its own."""
    colour = np.full(3, 80) + 60 * (np.arange(3) == number % 3)
    return (colour + np.random.default_rng(number).normal(0, 25, (32, 32, 3))).clip(0, 255).astype(np.uint8)


def pictures(root: Path, numbers: range) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for at in numbers:
        Image.fromarray(picture(at)).save(root / f"{at:04d}.png")
    return root


def splits(folder: Path, lines: list[tuple[str, str, str, str]]) -> None:
    """splits.csv of path, label, group, split; images that it does not name stay without."""
    with (folder / "splits.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label", "group", "split"), *lines])


def write_teacher(path: Path, **changes: Any) -> Path:
    """Learned from 24 other pictures."""
    encoder, numbers = StatisticsEncoder(3), range(900, 924)
    images = torch.stack([torch.from_numpy(picture(at)).permute(2, 0, 1) / 255 for at in numbers])
    targets = Targets(np.array([at % 3 for at in numbers]), 3)
    head = train_head(encoder.embed(images).numpy(), targets, "linear", Choice(0, "standardise", 10.0))
    ends = {"dtype": "uint8", "low": ZEROS, "high": ONES}
    card = WeightCard("", RGB, "display", (1 / 255,) * 3, ZEROS, (0.4,) * 3, (0.2,) * 3, 0, domain="satellite", arm="statistics", **ends)
    told = HeadCard("classification", "linear", KINDS, card, (32, 32), (encoder.kept()[0].told,), labels=dict.fromkeys(KINDS, 8))
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_head(path, replace(told, **changes), dict(head.named_buffers()), [{}])


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teacher(tmp_path_factory.mktemp("teacher") / "linear.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 pictures: six with a label, nine of test, one of those called what it is not."""
    root = pictures(tmp_path_factory.mktemp("pool") / "images", range(90))
    test = [(f"{at:04d}.png", KINDS[(at + (at == 80)) % 3], "", "test") for at in range(80, 89)]
    rest = [(f"{at:04d}.png", KINDS[at % 3] if at < 6 else "", "", "") for at in [*range(80), 89]]
    splits(root, [*rest, *test])
    return root


@pytest.fixture(scope="module")
def student(teacher: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Student:
    return taught(teacher, folder, tmp_path_factory.mktemp("students") / "small")


def taught(teacher: Path, folder: Path, out: Path, **more: Any) -> Student:
    asked = {"backbone": "test_resnet", "init": "random", "steps": 12, **more}
    return labelfree.distil(teacher, folder, out=out, say=Silent(), **asked)


def test_it_calls_new_images_as_its_teacher_does(student: Student, teacher: Path, tmp_path: Path) -> None:
    new = pictures(tmp_path / "new", range(200, 260))
    called = [
        [row["class"] for row in table(labelfree.predict(head, new, tmp_path / name, say=Silent()).files[0])]
        for name, head in (("student", student.folder), ("teacher", teacher))
    ]
    assert sum(mine == theirs for mine, theirs in zip(*called, strict=True)) > 50  # of 60; 20 by chance
    assert student.agreement.whole == 8 and student.agreement.count >= 6  # a tenth of 75 without a label


def test_labels_judge_both_where_they_are_there(student: Student) -> None:
    assert student.accuracy is not None
    mine, theirs = student.accuracy
    assert theirs.count == 8 and theirs.whole == mine.whole == 9  # one of test is called what it is not
    assert any(line.startswith(f"Right on test: the student {mine.count:.0f} of 9") for line in student.lines())


def test_its_card_says_whose_answers_it_learned(student: Student, teacher: Path) -> None:
    card = read_card(student.head)
    assert card.images.objective == "answers of linear.safetensors (statistics, linear)" and card.images.arm == "student"
    assert card.labels == dict.fromkeys(KINDS, 8) and card.classes == KINDS and card.setting == 12
    page = student.head.with_suffix(".md").read_text()
    assert "A student of linear.safetensors" in page and f"{student.taught} images in 12 steps" in page


def test_the_same_call_gives_the_same_student(student: Student, teacher: Path, folder: Path, tmp_path: Path) -> None:
    again = taught(teacher, folder, tmp_path / "again")
    first, second = load_file(student.head), load_file(again.head)
    assert first.keys() == second.keys() and all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert read_card(again.head) == read_card(student.head)


@pytest.mark.slow  # an export, as tests of export have it
def test_its_network_is_loaded_and_its_head_exported(student: Student, folder: Path, tmp_path: Path) -> None:
    assert labelfree.embed(student.folder, folder / "0000.png").shape == (1, labelfree.load(student.weights).dim)
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    done = labelfree.export(student.folder, tmp_path / "exported", folder, say=Silent())
    assert done.same == done.decisions > 0


def test_a_comparison_on_images_that_taught_it_is_a_leak(student: Student, folder: Path, tmp_path: Path) -> None:
    """Its network knows their labels."""
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\n" + "".join(f"{at:04d}.png,{KINDS[at % 3]}\n" for at in range(24)))
    arms = f"evaluate.arms=[statistics, {{name: mine, weights: {student.weights}}}]"
    claim = "evaluate.primary={arm: mine, against: statistics, protocol: linear, budget: 1, metric: accuracy}"
    settings = ["evaluate.labels_per_class=[1]", "evaluate.draws=1", "backbone.name=test_resnet", "data.leak_limit=1.0"]
    with pytest.raises(LeakError, match="was pretrained on"):
        labelfree.evaluate(
            "satellite_simclr", [f"data.root={folder}", f"data.labels={labels}", arms, claim, *settings], tmp_path / "run", say=Silent()
        )


def test_scored_images_and_their_relatives_teach_nothing(teacher: Path, tmp_path: Path) -> None:
    root = pictures(tmp_path / "images", range(40))
    Image.fromarray(picture(3)).save(root / "copy.png")  # of a scored one
    named = {3: ("", "test"), 4: ("g", "dev"), 5: ("g", "")}
    splits(root, [(f"{at:04d}.png", "", *named.get(at, ("", ""))) for at in range(40)] + [("copy.png", "", "", "")])
    head = labelfree.load_head(teacher)
    assert isinstance(head, VectorHead)
    images = student_images(head, root, "test", (), 0, Silent())
    taught, held_out = ({row.id for row in images.rows(part)} for part in (images.taught, images.held_out))
    assert taught | held_out == {f"{at:04d}.png" for at in range(40)} - {"0003.png", "0004.png", "0005.png"}
    assert not taught & held_out and len(held_out) == 4


def test_what_the_heads_run_scored_teaches_nothing(tmp_path: Path) -> None:
    root, run = pictures(tmp_path / "images", range(30)), tmp_path / "run"
    head = labelfree.load_head(write_teacher(run / "heads" / "linear.safetensors"))
    assert isinstance(head, VectorHead)
    (run / "recipe.yaml").write_text(f"data: {{root: {root}}}\n")
    roles = "".join(f"{at:04d}.png,,,,{'test' if at < 9 else 'pool'}\n" for at in range(30))
    (run / "splits.csv").write_text(f"path,label,group,split,role\n{roles}")
    images = student_images(head, root, "test", (), 0, Silent())
    assert {row.id for row in images.rows(np.union1d(images.taught, images.held_out))} == {f"{at:04d}.png" for at in range(9, 30)}


def drawn_on(root: Path, labels: Path) -> Path:
    """Pictures of one colour, every third with a dark square; `labels`, a COCO file, lists the first 18 and draws these, and no class."""
    root.mkdir(parents=True)
    images, boxes = [], []
    for at in range(40):
        pixels, square = picture(3 * at), np.random.default_rng(at).integers(2, 18, 2)
        if at % 3 == 0:
            pixels[square[0] : square[0] + 10, square[1] : square[1] + 10] = 10
        Image.fromarray(pixels).save(root / f"{at:04d}.png")
        if at < 18:
            images.append({"id": at, "file_name": f"{at:04d}.png", "width": 32, "height": 32})
        if at < 18 and at % 3 == 0:
            boxes.append({"id": at, "image_id": at, "category_id": 1, "bbox": [int(square[1]), int(square[0]), 10, 10], "area": 100})
    labels.write_text(json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "pit"}]}))
    return root


def test_good_or_not_is_read_from_what_is_drawn_as_a_run_reads_it(tmp_path: Path) -> None:
    root = drawn_on(tmp_path / "images", tmp_path / "boxes.json")
    head = labelfree.load_head(write_teacher(tmp_path / "head.safetensors", classes=("anomalous", "normal", "other")))
    assert isinstance(head, VectorHead)
    images = student_images(head, root, "test", [f"data.labels={tmp_path / 'boxes.json'}"], 0, Silent())
    told = {row.id: row.label for row in images.rows(images.taught)}
    assert {name: label for name, label in told.items() if label} == {
        f"{at:04d}.png": "anomalous" if at % 3 == 0 else "normal" for at in range(18)
    }
    assert all(row.label is None and int(row.id[:4]) >= 18 for row in images.rows(images.held_out))


def test_what_a_run_would_not_trust_is_not_learned_from(teacher: Path, tmp_path: Path) -> None:
    root = pictures(tmp_path / "images", range(20))
    (tmp_path / "labels.csv").write_text("path,label\n0001.png,roof\n0001.png,water\n")
    with pytest.raises(DataError, match=r"0001\.png"):
        taught(teacher, root, tmp_path / "out", overrides=[f"data.labels={tmp_path / 'labels.csv'}"])


def test_a_student_remembers_what_taught_it(student: Student) -> None:
    history = History.of(student.folder)
    assert history is not None and len(history.ids) == student.taught == 73
    assert {f"{at:04d}.png" for at in range(6)} <= history.ids and not {f"{at:04d}.png" for at in range(80, 89)} & history.ids


@given(arrays(np.float64, (4, 3), elements=st.floats(-8, 8)), st.floats(0.5, 8))
def test_softened_shares_are_those_of_divided_logits(logits: np.ndarray, temperature: float) -> None:
    z = torch.from_numpy(logits)
    np.testing.assert_allclose(softened(z.softmax(1).numpy(), temperature), (z / temperature).softmax(1), atol=1e-9)


def test_labels_are_kept_and_strange_ones_are_not_learned() -> None:
    rows = [Row("a", Path("a"), label="roof"), Row("b", Path("b"), label="bridge"), Row("c", Path("c"))]
    shares = np.array([[0.64, 0.32, 0.04]] * 3)
    expected = softened(shares, 2.0)
    expected[0] = [0, 1, 0]
    np.testing.assert_allclose(targets_of(Answers(shares, ("field",) * 3), rows, KINDS, 2.0), expected, rtol=1e-6)


def test_a_student_answers_at_temperature_one() -> None:
    tensors = {"mean": torch.zeros(4), "blocks": torch.tensor([4]), "weight": torch.randn(3, 4), "bias": torch.randn(3)}
    cold, features = Head(find_protocol("linear"), tensors), torch.randn(5, 4)
    warm = _at_temperature(Tuned(cold), 3.0).head
    np.testing.assert_allclose(softened(warm(features).numpy(), 3.0), cold(features), atol=1e-6)


@pytest.fixture
def refused(teacher: Path, folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder that is not there, and still is not afterwards."""
    yield tmp_path / "none"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"steps": None}, "either --minutes or --steps"),
        ({"minutes": 1.0}, "either --minutes or --steps"),
        ({"steps": 0}, "--steps 0: give a number above 0"),
        ({"on": "train"}, "--on train: give dev or test"),
        ({"backbone": "test_resnett"}, "--backbone: no network is called 'test_resnett'; did you mean test_resnet"),
        ({"overrides": ["pretrain.steps=3"]}, "pretrain.steps: only keys of data and reader"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(asked: dict[str, Any], sentence: str, teacher: Path, folder: Path, refused: Path) -> None:
    with pytest.raises(RecipeError, match=sentence):
        taught(teacher, folder, refused, **asked)


def test_heads_and_images_that_do_not_suit_are_told(teacher: Path, folder: Path, refused: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a head of segmentation; a student is taught by one that says of which class an image is"):
        taught(map_head(tmp_path / "maps.safetensors", statistics()), folder, refused)
    with pytest.raises(DataError, match="1 images are neither scored nor related to such"):
        taught(teacher, pictures(tmp_path / "one", range(1)), refused)
    other = write_teacher(
        tmp_path / "other.safetensors", images=replace(read_card(teacher).images, channels=("red", "nir", "blue"))
    )  # fmt: skip
    with pytest.raises(DataError, match="its images have red, green, blue in display, the head takes red, nir, blue"):
        taught(other, folder, refused)
    with pytest.raises(RecipeError, match="is not an empty folder"):
        taught(teacher, folder, folder)


def test_the_command_tells_what_it_came_to(teacher: Path, folder: Path, tmp_path: Path, call: Callable[..., SimpleNamespace]) -> None:
    words = ["distil", str(teacher), str(folder), "--backbone", "test_resnet", "--init", "random", "--minutes", "0.02", "--size", "32"]
    done = call(*words, "--temperature", "2", "--out", str(tmp_path / "out"))
    assert done.code == 0, done.err
    said = " ".join((done.out + done.err).split())
    assert "Taught by the answers for 73 images in" in said and "held-out images without a label it calls what its teacher calls" in said
    assert (tmp_path / "out" / "student.json").is_file()
