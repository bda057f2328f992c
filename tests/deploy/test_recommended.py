"""Which head is recommended: of the arm that the claims support, by the protocol that did best inside the labels.

Takes ten seconds: two runs, one of them of pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.deploy.head_file import read_card
from labelfree.deploy.recommended import expectation, instead_of_unfinished, learnt_from, recommended_protocol, unfinished
from labelfree.pipeline.kept_heads import KeptHeads
from labelfree.progress import Silent
from labelfree.transfer.tasks import find_task
from tests.deploy.test_maps_of_a_run import disc
from tests.small_runs import folder_of, run_on, table

PRIMARY = {"arm": "domain", "against": "imagenet", "protocol": "linear", "budget": 5, "metric": "accuracy"}
WORDS = find_task("classification").words
SHORT = [
    "backbone={name: test_resnet, init: random}", "data.leak_limit=1.0", "data.holdout=0.3", "evaluate.draws=1", "evaluate.minutes=0.01",
    "evaluate.labels_per_class=[4]", "evaluate.arms=[statistics, random]", "evaluate.protocols=[linear, frozen]", "evaluate.sizes=[48]",
    "evaluate.primary={arm: random, against: statistics, protocol: frozen, budget: 4, metric: mean_iou}",
]  # fmt: skip
Inner = Mapping[tuple[str, str], list[float | None]]  # (protocol, budget) -> of each draw


def results(inner: Inner, arm: str = "domain", **changed: str) -> Iterator[dict[str, str]]:
    for (protocol, budget), scores in inner.items():
        for score in scores:
            flags = "preparation=l2;setting=1" + ("" if score is None else f";inner={score:.6f}")
            labels = str(4 * int(budget) if budget.isdigit() else 400)
            row = {"arm": arm, "protocol": protocol, "budget": budget, "n_labels": labels, "metric": "accuracy", "value": "0.99"}
            yield row | {"flags": flags} | changed


def named(inner: Inner, sign: int = 1, **changed: str) -> tuple[str, str] | None:
    return recommended_protocol(results(inner, **changed), "domain", PRIMARY, WORDS, sign)


def test_the_best_inside_the_labels_at_the_most_of_them() -> None:
    inner = {
        ("linear", "5"): [0.9, 0.9], ("knn", "5"): [0.1, 0.1],
        ("linear", "all"): [0.70, 0.72], ("knn", "all"): [0.80, 0.70], ("finetune", "all"): [0.69, 0.71],
    }  # fmt: skip
    found, why = named(inner) or ("", "")
    assert found == "knn"
    inside = f"inside the labels, with {WORDS.budget.of('all')}, knn reached 75.0 % accuracy and linear 71.0 %"
    assert why == f"It is a head of knn, though the claim is of linear: {inside}."
    assert (named(inner, sign=-1) or "")[0] == "finetune"


@pytest.mark.parametrize("inner", [
    {("linear", "5"): [0.7], ("knn", "5"): [0.7]},  # as good
    {("linear", "5"): [0.7], ("knn", "5"): [0.6]},
    {("linear", "5"): [0.7, 0.7], ("knn", "5"): [0.9, None]},  # not in every draw
    {("linear", "1"): [0.7], ("linear", "5"): [None], ("knn", "5"): [0.9]},  # the primary's has none to compare with there
], ids=["equal", "worse", "torn", "not the primary's"])  # fmt: skip
def test_else_the_primarys_without_a_word(inner: Inner) -> None:
    assert named(inner) == ("linear", "")


@pytest.mark.parametrize("inner", [{("linear", "1"): [None], ("knn", "1"): [None]}, {}], ids=["none", "nothing"])
def test_where_nothing_was_chosen_by_scores_inside_the_labels_nothing_tells(inner: Inner) -> None:
    assert named(inner) is None


def test_a_head_that_was_cut_short_is_compared_on_halves_of_the_labels() -> None:
    def instead(halves: dict[str, float], finished: list[str]) -> tuple[str, str]:
        return instead_of_unfinished(halves, finished, PRIMARY | {"protocol": "frozen"}, WORDS, 1)

    told = "though the claim is of frozen: on halves of the labels that heads did not learn from, linear reached 78.0 % accuracy and"
    assert instead({"frozen": 0.57, "linear": 0.78}, ["linear"]) == ("linear", f"It is a head of linear, {told} frozen 57.0 %.")
    assert instead({"frozen": 0.79, "linear": 0.78}, ["linear"]) == ("frozen", ""), "cut short, and better all the same"
    found, why = instead({}, ["linear", "knn"])
    assert found == "linear" and "the training of frozen had not come to its end, and the labels are too few" in why
    assert instead({}, []) == ("frozen", "")


def test_what_had_not_come_to_its_end_with_the_most_labels_is_unfinished() -> None:
    rows = [
        {"arm": "domain", "protocol": name, "budget": budget, "n_labels": labels, "flags": flags}
        for name, budget, labels, flags in (
            ("frozen", "2", "8", "setting=1"), ("frozen", "all", "90", "undertrained;setting=1"), ("frozen", "all", "90", "setting=1"),
            ("linear", "2", "8", "undertrained;setting=1"), ("linear", "all", "90", "setting=1"),
        )
    ]  # fmt: skip
    assert unfinished(rows, "domain") == {"frozen"} and unfinished(rows, "imagenet") == set()


@pytest.mark.parametrize("changed", [{"arm": "imagenet"}, {"metric": "f1"}, {"flags": "envelope"}])
def test_other_arms_metrics_and_envelopes_are_not_counted(changed: dict[str, str]) -> None:
    assert named({("linear", "5"): [0.7], ("knn", "5"): [0.9]}, **changed) is None


@pytest.mark.parametrize(("split", "sentence"), [
    ("cv", "It learned from all 12 labelled images (there is no test set)"),
    ("dev", "It learned from 12 labelled images of train and dev"),
    ("test", "It learned from 12 labelled images of train, none of test"),
])  # fmt: skip
def test_what_taught_it_is_told_as_the_split_has_it(split: str, sentence: str) -> None:
    learnt = learnt_from(12, split, WORDS, one_kind=False)
    assert learnt == sentence
    assert expectation({}, "domain", "linear", learnt, WORDS, False).startswith(f"{sentence}; it was not scored")


def test_a_task_that_learns_from_one_kind_of_images_alone_says_which() -> None:
    words = find_task("anomaly").words
    assert learnt_from(1, "cv", words, one_kind=True) == "It learned from all 1 normal image (there is no test set)"
    assert learnt_from(9, "test", words, one_kind=True) == "It learned from 9 normal images of train, none of test"


def test_a_run_leaves_the_head_that_did_best_inside_the_labels_and_tells_it(tmp_path: Path) -> None:
    """Whatever came out of the random network: the file, its card and the report say the same, by the numbers in results.csv."""
    run = run_on(folder_of(tmp_path / "pictures"), tmp_path / "run", "evaluate.labels_per_class=[2, 4]", "evaluate.primary.budget=4")
    told = json.loads((run.folder / "recommended.json").read_text())
    scores: dict[str, list[float]] = {}
    for row in table(run.results):
        if (row["arm"], row["metric"], row["budget"]) == (told["arm"], "accuracy", "4") and row["flags"] != "envelope":
            scores.setdefault(row["protocol"], []).append(float(row["flags"].partition("inner=")[2]))
    means = {name: sum(each) / len(each) for name, each in scores.items()}
    assert set(means) == {"knn", "linear"}
    best = "linear" if means["linear"] >= means["knn"] else "knn"
    assert told["protocol"] == best == read_card(run.folder / told["file"]).protocol
    assert ("though the claim is of linear" in told["why"]) == (best != "linear")
    assert told["expect"].startswith("It learned from all 24 labelled images (there is no test set). Expect about what was measured")
    for page in (run.folder / "report.html", (run.folder / told["file"]).with_suffix(".md")):
        assert "(there is no test set)" in page.read_text(encoding="utf-8")


@pytest.mark.slow  # a run with trained decoders; the rule itself is tested above
def test_a_run_of_pixels_whose_decoders_had_no_time_asks_both_kinds_on_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At one input size nothing else inside the labels tells which of them is better."""
    for part in ("pictures", "masks"):
        (tmp_path / part).mkdir()
    for at in range(24):
        pixels, there = disc(at, 48)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{at:02d}.png")
        if at < 12:
            Image.fromarray(there.astype(np.uint8)).save(tmp_path / "masks" / f"{at:02d}.png")
    asked, plain = dict[str, float | None](), KeptHeads.held_out

    def noted(self: KeptHeads, encoder: Any, protocol: Any, rows: np.ndarray) -> float | None:
        asked[protocol.name] = plain(self, encoder, protocol, rows)
        return asked[protocol.name]

    monkeypatch.setattr(KeptHeads, "held_out", noted)
    given = [f"data.root={tmp_path / 'pictures'}", f"data.labels={tmp_path / 'masks'}", *SHORT]
    run = labelfree.run("satellite_simclr", given, tmp_path / "run", say=Silent())
    told = json.loads((run.folder / "recommended.json").read_text())
    assert set(asked) == {"linear", "frozen"} and all(score is not None for score in asked.values())
    best = max(asked, key=lambda name: (asked[name], name == "frozen"))
    assert told["protocol"] == best == read_card(run.folder / told["file"]).protocol
    assert ("on halves of the labels" in told["why"]) == (best != "frozen")
