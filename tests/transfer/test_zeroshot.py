"""Classes asked for in words: one row an arm, recounted in plain numpy, and what is told of classes named and held out."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from labelfree.errors import RecipeError
from labelfree.language.prompts import Prompts
from labelfree.progress import Silent
from labelfree.recipe import Evaluate, Primary
from labelfree.training.files import read_json
from labelfree.transfer.claims import save_claims
from labelfree.transfer.claims.intervals import from_test
from labelfree.transfer.claims.prompted import overtaken, save_prompted
from labelfree.transfer.claims.scores import Prediction, Scores, read_scores
from labelfree.transfer.comparison import answer
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.protocols.base import Head
from labelfree.transfer.protocols.zeroshot import Zeroshot
from labelfree.transfer.tasks.base import nested
from labelfree.transfer.tasks.registry import check_question
from tests.transfer.classes import TASK

ARMS = ["random", "domain"]
SETTINGS = Evaluate(
    arms=ARMS, protocols=["nearest_mean", "zeroshot"], labels_per_class=[1, 3, 6], draws=5,
    primary=Primary(arm="domain", against="random", protocol="nearest_mean", budget=3),
)  # fmt: skip
PROMPTS = Prompts.of(["class 0", "class 1", "class 2"], ["{}", "a {}"])
POINT = ("domain", "zeroshot", "0")
WIDTH, DIM = 24, 5


class Words:
    """Towers whose texts are known: a vector for the number in a sentence, nudged by its length."""

    scale, bias, digest, size = 8.0, 0.0, "words", 60

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.side = nn.Module()
        self.side.of_images = nn.Linear(WIDTH, DIM, bias=False)

    def images(self, features: np.ndarray) -> np.ndarray:
        rows = features @ self.side.of_images.weight.detach().numpy().T
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def texts(self, sentences: list[str]) -> np.ndarray:
        rows = np.stack([np.eye(DIM)[int(said[-1])] + 0.1 * len(said) * np.eye(DIM)[4] for said in sentences])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Spoken(NetworkEncoder):
    """A network whose features are known, with a text side."""

    def __init__(self, made_up: Any, towers: Words) -> None:
        super().__init__(made_up.arm, nn.Identity(), lambda x, size, known: x, made_up.sizes, made_up.seed, name="net", dim=WIDTH)
        self.rows = made_up.rows
        self.__dict__ |= {"towers": towers, "digest": f"{made_up.digest} spoken"}

    def features(self, pool: Any, entries: Any, size: int) -> np.ndarray:
        return self.rows[size][np.asarray(entries)]


@pytest.fixture(scope="module")
def carried_out(ask, made_up, entries, run_folder):
    """A comparison of an arm that knows words, of two seeds, with one that does not; its folder, the question and the arm's encoders."""

    def make(**question: int) -> tuple[Path, Any, list[Spoken]]:
        crossed = {"draws": 1, "labels_per_class": [3]} if question.get("score") == 0 else {}
        settings = SETTINGS.model_copy(update=crossed)
        asked, folder, towers = ask(**question), run_folder(settings), Words()
        spoken = [Spoken(made_up("domain", asked.targets.values, 0.5, seed=seed), towers) for seed in (0, 1)]
        plain = made_up("random", asked.targets.values, 0.2)
        answer(asked, [plain, *spoken], settings, entries(len(asked.ids)), folder, Silent(), prompts=PROMPTS)
        save_claims(folder)
        return folder, asked, spoken

    return make


@pytest.fixture(scope="module")
def finished(carried_out):
    return carried_out(group=5)


def plain_scores(encoder: Spoken, rows: np.ndarray) -> np.ndarray:
    """(n, 3), from features at the size nearest to 60 and the mean of two prompts a class."""
    towers = encoder.towers
    classes = np.stack([towers.texts([f"class {k}", f"a class {k}"]).mean(0) for k in range(3)])
    logits = towers.scale * towers.images(encoder.rows[64][rows]) @ (classes / np.linalg.norm(classes, axis=1, keepdims=True)).T
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def test_an_arm_that_knows_words_has_one_row_and_no_label(finished) -> None:
    folder, question, encoders = finished
    with (folder / "results.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["protocol"] == "zeroshot" and row["metric"] == "accuracy"]
    assert [(row["arm"], row["seed"], row["budget"], row["n_labels"], row["draw"], row["size"]) for row in rows] == [
        ("domain", "0", "0", "0", "0", "64"), ("domain", "1", "0", "0", "0", "64"),
    ]  # fmt: skip
    truth = question.targets.values[question.score]
    for row, encoder in zip(rows, encoders, strict=True):
        assert float(row["value"]) == pytest.approx((plain_scores(encoder, question.score).argmax(1) == truth).mean())
    (told,) = [row for row in read_json(folder / "claims.json")["table"] if row["protocol"] == "zeroshot"]
    assert (told["budget"], told["x"], told["draws"], told["seeds"]) == ("0", 0.0, 1, 2) and told["low"] < told["mean"] < told["high"]


def test_folds_in_which_nothing_is_learnt_are_no_luck(carried_out) -> None:
    folder, question, encoders = carried_out(score=0, group=5)
    scores = read_scores(folder, "accuracy")
    right = np.stack([plain_scores(each, question.train).argmax(1) == question.targets.values[question.train] for each in encoders])
    of_groups = right.reshape(2, -1, 5).sum(2)  # (seeds, groups), all of one size
    of_groups = of_groups[:, np.argsort([f"scene {at}" for at in range(of_groups.shape[1])])]  # as files are read
    resampled = scores.counts @ of_groups.mean(0) / (5 * scores.counts.sum(1))
    wanted = from_test(right.mean(1)[None], resampled, of_groups.shape[1])
    (told,) = [row for row in read_json(folder / "claims.json")["table"] if row["protocol"] == "zeroshot"]
    assert (told["mean"], told["low"], told["high"]) == pytest.approx((wanted.mean, *wanted.bounds()), rel=1e-6)


def facts(kinds: dict[str, str], held_out: bool = True) -> dict[str, Any]:
    naming = {"captions": 9, "images": 4, "kinds": kinds, "named": {"class 0": [3, 2]}, "why": ""}
    return {"protocol": "zeroshot", "templates": 2, "held_out_asked": held_out, "arms": {"domain": naming}}


def test_prompted_and_held_out_classes_are_apart_each_with_chance(finished) -> None:
    folder, question, encoders = finished
    said = save_prompted(folder, facts({"class 0": "prompted", "class 1": "zero-shot", "class 2": "zero-shot"}))
    rows = {(row["kind"], row["among"]): row for row in read_json(folder / "prompted.json")["rows"]}
    assert set(rows) == {("zero-shot", "them"), ("zero-shot", "all")}, "one prompted class alone cannot be missed"
    truth = question.targets.values[question.score]
    held = truth > 0
    found = [plain_scores(each, question.score)[held] for each in encoders]
    among_them = [(each[:, 1:].argmax(1) + 1 == truth[held]).mean() for each in found]
    among_all = [(each.argmax(1) == truth[held]).mean() for each in found]
    for key, values, chance in (("them", among_them, 1 / 2), ("all", among_all, 1 / 3)):
        row = rows["zero-shot", key]
        assert (row["mean"], row["chance"], row["classes"], row["images"]) == pytest.approx((np.mean(values), chance, 2, held.sum()))
        assert 0 <= row["low"] < row["mean"] < row["high"] <= 1
    assert any(sentence.startswith("domain, zero-shot (2 classes, 30 images): accuracy") for sentence in said)
    assert not any("Nothing here is zero-shot" in sentence for sentence in said)


@pytest.mark.parametrize(("held_out", "why"), [(False, "no class was held out"), (True, "the weights were not taught without the classes")])
def test_what_is_no_zero_shot_is_called_prompted_and_says_why(finished, held_out: bool, why: str) -> None:
    folder, _, _ = finished
    said = save_prompted(folder, facts(dict.fromkeys(PROMPTS.words, "prompted"), held_out))
    told = read_json(folder / "prompted.json")
    assert [(row["kind"], row["among"], row["chance"]) for row in told["rows"]] == [("prompted", "them", pytest.approx(1 / 3))]
    assert why in told["why"][0] and told["why"][0] in said


def test_a_probe_overtakes_words_where_its_curve_crosses_them(finished) -> None:
    scores = read_scores(finished[0], "accuracy")
    points = [("domain", "nearest_mean", budget) for budget in ("1", "3", "6")]
    curve, x = np.array([scores.pooled(point).mean() for point in points]), np.array([scores.x(point) for point in points])
    found = overtaken(calling(scores, float(curve[[0, -1]].mean())), POINT)
    assert found is not None and (np.diff(curve) > 0).all() and curve[0] < found.mean < curve[-1], "else the case shows nothing"
    assert found.at == pytest.approx(np.exp(np.interp(found.mean, curve, np.log(x))))
    assert found.protocol == "nearest_mean" and found.interval and found.low <= found.at <= found.high
    assert "the nearest class mean on the same features overtakes it at about" in found.sentence(scores.words, "accuracy")


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, "has overtaken it at the smallest budget, 1 "), (1.0, "does not overtake it within the")]
)
def test_a_curve_that_never_crosses_is_said_so(finished, share: float, said: str) -> None:
    level = calling(read_scores(finished[0], "accuracy"), share)
    found = overtaken(level, POINT)
    assert found is not None and said in found.sentence(level.words, "accuracy")
    assert found.interval and found.low == found.high == found.at, "every resampling says the same"


def calling(scores: Scores, share: float) -> Scores:
    """The same where words call this share of rows right."""
    cells = {}
    for key, cell in scores.cells[POINT].items():
        right = np.arange(len(cell.answers)) < share * len(cell.answers)
        called = (cell.answers["target"].to_numpy() + ~right) % 3
        cells[key] = Prediction(cell.answers.set_column(1, "scores", nested(np.eye(3, dtype=np.float32)[called])), cell.groups)
    return replace(scores, cells={**scores.cells, POINT: cells})


def test_a_head_that_is_kept_answers_as_the_row_did(finished) -> None:
    _, question, encoders = finished
    protocol, towers = Zeroshot(), encoders[0].towers
    classes = PROMPTS.vectors(list(PROMPTS.words), towers.texts)
    head = Head(protocol, protocol.tensors(towers, classes, WIDTH))
    found = head(encoders[0].rows[64][question.score]).numpy()
    np.testing.assert_allclose(found, plain_scores(encoders[0], question.score), atol=1e-5)


def test_where_words_cannot_be_asked_it_is_said() -> None:
    for settings, said in (
        ({"primary": Primary(protocol="zeroshot")}, "evaluate.primary.protocol: zeroshot learns from no label"),
        ({"tile": 64}, "evaluate.tile: zeroshot looks at images as a whole; leave it out"),
    ):
        with pytest.raises(RecipeError, match=said):
            check_question(Evaluate(protocols=["linear", "zeroshot"], **settings), TASK)
