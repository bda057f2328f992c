"""Which head is recommended: of the arm that the claims support, by the protocol that did best inside the labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from labelfree.deploy.head_file import read_card
from labelfree.deploy.recommended import recommended_protocol
from labelfree.transfer.tasks import find_task
from tests.small_runs import folder_of, run_on, table

PRIMARY = {"arm": "domain", "against": "imagenet", "protocol": "linear", "budget": 5, "metric": "accuracy"}
WORDS = find_task("classification").words
Inner = Mapping[tuple[str, str], list[float | None]]  # (protocol, budget) -> of each draw


def results(inner: Inner, arm: str = "domain", **changed: str) -> Iterator[dict[str, str]]:
    for (protocol, budget), scores in inner.items():
        for score in scores:
            flags = "preparation=l2;setting=1" + ("" if score is None else f";inner={score:.6f}")
            labels = str(4 * int(budget) if budget.isdigit() else 400)
            row = {"arm": arm, "protocol": protocol, "budget": budget, "n_labels": labels, "metric": "accuracy", "value": "0.99"}
            yield row | {"flags": flags} | changed


def named(inner: Inner, sign: int = 1, **changed: str) -> tuple[str, str]:
    return recommended_protocol(results(inner, **changed), "domain", PRIMARY, WORDS, sign)


def test_the_best_inside_the_labels_at_the_most_of_them() -> None:
    inner = {
        ("linear", "5"): [0.9, 0.9], ("knn", "5"): [0.1, 0.1],
        ("linear", "all"): [0.70, 0.72], ("knn", "all"): [0.80, 0.70], ("finetune", "all"): [0.69, 0.71],
    }  # fmt: skip
    found, why = named(inner)
    assert found == "knn"
    inside = f"inside the labels, with {WORDS.budget.of('all')}, knn reached 75.0 % accuracy and linear 71.0 %"
    assert why == f"It is a head of knn, though the claim is of linear: {inside}."
    assert named(inner, sign=-1)[0] == "finetune"


@pytest.mark.parametrize("inner", [
    {("linear", "5"): [0.7], ("knn", "5"): [0.7]},  # as good
    {("linear", "5"): [0.7], ("knn", "5"): [0.6]},
    {("linear", "5"): [0.7, 0.7], ("knn", "5"): [0.9, None]},  # not in every draw
    {("linear", "1"): [None], ("knn", "1"): [None]},
    {("linear", "1"): [0.7], ("linear", "5"): [None], ("knn", "5"): [0.9]},  # the primary's has none to compare with there
    {},
], ids=["equal", "worse", "torn", "none", "not the primary's", "nothing"])  # fmt: skip
def test_else_the_primarys_without_a_word(inner: Inner) -> None:
    assert named(inner) == ("linear", "")


@pytest.mark.parametrize("changed", [{"arm": "imagenet"}, {"metric": "f1"}, {"flags": "envelope"}])
def test_other_arms_metrics_and_envelopes_are_not_counted(changed: dict[str, str]) -> None:
    assert named({("linear", "5"): [0.7], ("knn", "5"): [0.9]}, **changed) == ("linear", "")


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
