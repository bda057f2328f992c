"""The question of retrieval asked of made-up towers: who has rows, what a perfect and a constant model are worth, what files say."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import Evaluate, Primary
from labelfree.samples import Row
from labelfree.transfer.claims import save_chance, save_claims
from labelfree.transfer.comparison import answer, left_out
from labelfree.transfer.encoders import NetworkEncoder, StatisticsEncoder
from labelfree.transfer.question import Question
from labelfree.transfer.tasks.retrieval import Retrieval

SETTINGS = Evaluate(
    task="retrieval",
    arms=["statistics", "random", "domain"],
    protocols=["retrieval"],
    labels_per_class=["all"],
    primary=Primary(arm="domain", against="random", protocol="retrieval", budget="all", metric="text_to_image_r1"),
)
WORDS = [f"quux {at} here" for at in range(30)]
SAYS = [tuple(dict.fromkeys((WORDS[at], WORDS[at // 2].upper(), "the same of all"))) for at in range(30)]


class Letters:
    """Every caption in capitals is a text, as a row of numbers."""

    longest, padding = 40, 0

    def __call__(self, captions: Sequence[str]) -> SimpleNamespace:
        rows = torch.zeros(len(captions), self.longest, dtype=torch.int64)
        for row, caption in zip(rows, captions, strict=True):
            row[: len(caption)] = torch.tensor([ord(letter) for letter in caption.upper()])
        return SimpleNamespace(numbers=rows)


class Towers:
    """Images and texts that lie where their own number points, or all in one place."""

    size, digest, side = 32, "made up", SimpleNamespace(tower=SimpleNamespace(tokenizer=Letters()))

    def __init__(self, perfect: bool) -> None:
        self.perfect = perfect

    def images(self, features: np.ndarray) -> np.ndarray:
        return (
            np.eye(30, dtype=np.float32)[features[:, 0].astype(int)]
            if self.perfect
            else np.tile(np.eye(30, dtype=np.float32)[0], (len(features), 1))
        )

    def texts(self, sentences: Sequence[str]) -> np.ndarray:
        numbers = [int(text.split()[1]) if text.split()[1].isdigit() else 29 for text in sentences]
        return self.images(np.array(numbers, np.float32)[:, None])


def encoder(arm: str, perfect: bool) -> NetworkEncoder:
    made = NetworkEncoder(arm, nn.Identity(), lambda stored, size, measured: stored, [32], dim=1)
    made.untaught = lambda: Towers(perfect)  # type: ignore[assignment,return-value]
    made.features = lambda pool, entries, size: np.asarray(entries, np.float32)[:, None]  # type: ignore[method-assign]
    return made


def question(train: int = 10) -> Question:
    rows = [Row(f"{at}.png", Path(f"{at}.png"), captions=SAYS[at]) for at in range(30)]
    task, names = Retrieval(), tuple(row.id for row in rows)
    strata, groups = tuple(map(task.stratum, rows)), tuple(None for _ in rows)
    return Question("made-up", "dev", task, names, groups, strata, task.targets(rows), np.arange(train), np.arange(10, 30))


@pytest.mark.parametrize("train", [10, 0])
def test_a_perfect_and_a_constant_model(run_folder, entries, train: int) -> None:
    folder = run_folder(SETTINGS)
    arms = [StatisticsEncoder(3), encoder("random", False), encoder("domain", True)]
    setup = answer(question(train), arms, SETTINGS, entries(30), folder, Silent())
    assert left_out(setup, arms) == ["Retrieval wants a text tower; statistics: no row, for want of one."]
    with (folder / "results.csv").open() as stream:
        rows = {(row["arm"], row["metric"]): row for row in csv.DictReader(stream)}
    assert {arm for arm, _ in rows} == {"random", "domain"} and {row["n_labels"] for row in rows.values()} == {"0"}
    told = {key: (float(row["value"]), float(row["flags"].partition("chance=")[2])) for key, row in rows.items()}
    for (arm, metric), (value, chance) in told.items():
        if arm == "random" and not metric.endswith("rank"):
            assert value == pytest.approx(chance)  # all in one place
    assert told["domain", "image_to_text_r1"][0] == 1  # each image finds a text of its own
    claims = save_claims(folder)
    assert claims.primary is not None and claims.primary.verdict == "better" and claims.labels_saved is None
    assert "at no labels (retrieval, R@1 text to image)" in claims.headline
    beside = {(row.arm, row.metric): row for row in save_chance(folder)}
    assert beside["domain", "text_to_image_r1"].beyond and not beside["random", "text_to_image_r1"].beyond
    median = beside["domain", "text_to_image_median_rank"]
    assert (median.mean, median.low, median.chance) == (1, None, 8)  # the same whatever is resampled: no interval
    assert len(json.loads((folder / "chance.json").read_text())) == 16
    assert not any(b"quux" in path.read_bytes().lower() for path in folder.rglob("*") if path.is_file())


def test_where_no_arm_knows_words_it_is_said(run_folder, entries) -> None:
    with pytest.raises(DataError, match=r"evaluate.protocols: retrieval cannot ask any arm \(statistics\), for want of a text tower; name"):
        answer(question(), [StatisticsEncoder(3)], SETTINGS, entries(30), run_folder(SETTINGS), Silent())


def test_one_image_alone_cannot_be_told_from_others() -> None:
    with pytest.raises(DataError, match="1 scored image has a caption; retrieval tells one from others"):
        Question(
            "one",
            "dev",
            Retrieval(),
            ("a",),
            (None,),
            ("captioned",),
            Retrieval().targets([Row("a", Path("a"), captions=("x",))]),
            np.array([], int),
            np.array([0]),
        )
