"""Several classes an image: sets from labels, a regression a class, and metrics that scikit-learn computes too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score

import labelfree
from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import SET_PROTOCOLS, Evaluate, Primary
from labelfree.transfer.protocols import find_protocol, prepare
from labelfree.transfer.tasks import Weights, find_task
from labelfree.transfer.tasks.multilabel import CALLED, ClassSets
from labelfree.transfer.tasks.registry import task_for
from labelfree.transfer.tasks.weights import resamplings
from tests.small_runs import SMALL, folder_of, table

TASK = find_task("multilabel")
CLASSES = ("across", "along", "third")  # of the run


def rows(*labels: str | None) -> list[Row]:
    return [Row(f"{at}.png", Path(f"{at}.png"), label=label) for at, label in enumerate(labels)]


def oracle(metric: str, scores: np.ndarray, truth: np.ndarray) -> float:
    if metric == "macro_ap":
        return float(np.mean([average_precision_score(truth[:, k], scores[:, k]) for k in range(truth.shape[1]) if truth[:, k].any()]))
    called = scores >= CALLED
    known = np.flatnonzero(truth.any(0) | called.any(0))
    return float(np.mean([f1_score(truth[:, k], called[:, k], zero_division=0) for k in known]))


def example(seed: int, count: int, classes: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = (generator.random((count, classes)) < 0.4).astype(np.int64)
    truth[0, 0] = 1
    scores = (0.7 * generator.random((count, classes)) + 0.3 * truth).astype(np.float32)
    return (np.round(scores, 1) if ties else scores), truth


@given(st.integers(0, 10_000), st.integers(3, 40), st.integers(2, 5), st.booleans())
@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize("metric", list(TASK.metrics))
def test_metrics_equal_scikit_learns(metric: str, seed: int, count: int, classes: int, ties: bool) -> None:
    scores, truth = example(seed, count, classes, ties)
    answers = TASK.answers(scores, ClassSets(truth, classes))
    assert TASK.metrics[metric].value(answers) == pytest.approx(oracle(metric, scores, truth), abs=1e-9)


@pytest.mark.parametrize("metric", list(TASK.metrics))
def test_a_resampling_is_the_metric_of_the_rows_it_repeats(metric: str) -> None:
    scores, truth = example(4, 30, 3, ties=True)
    groups, counts = np.arange(30) // 3, resamplings(10, seed=7, times=25)
    found = TASK.metrics[metric](TASK.answers(scores, ClassSets(truth, 3)), Weights(counts, groups))
    for value, drawn in zip(found, counts, strict=True):
        again = np.repeat(np.arange(30), drawn[groups])
        assert value == pytest.approx(oracle(metric, scores[again], truth[again]), abs=1e-9)


def test_labels_name_sets() -> None:
    some = rows("water|forest", "forest", "town | water", "forest|forest", None)
    task = TASK.over(some, None)  # type: ignore[arg-type]  # reads no file
    targets = task.targets(some[:4])
    assert targets.names == ("forest", "town", "water")
    np.testing.assert_array_equal(targets.values, [[1, 0, 1], [1, 0, 0], [0, 1, 1], [1, 0, 0]])
    assert [task.stratum(row) for row in some[:4]] == ["water", "forest", "town", "forest"]  # the rarest of each
    assert task.taught(some[2]) == {"town", "water"}
    assert task.summary(some[:4]) == "multilabel into 3 classes, 1.5 an image"
    with pytest.raises(DataError, match=r"0.png: a part of the label 'water\|' is empty; write classes as a\|b"):
        task.targets(rows("water|"))


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (("a|b", "a"), "multilabel"),
        (("a", "b"), "classification"),
        (("a|", "b"), "classification"),  # an empty part: no set of classes
        (("a;b", "b"), "classification"),  # another sign separates nothing
    ],
)
def test_auto_takes_sets_where_a_label_names_several(labels: tuple[str, ...], task: str) -> None:
    assert task_for(Evaluate(), rows(*labels)).name == task


def test_one_regression_a_class_equals_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    truth = np.stack([np.arange(40) % 2, np.arange(40) % 5 == 0, np.zeros(40), np.ones(40)], 1).astype(np.int64)
    learn = generator.normal(size=(40, 12)) + truth[:, :1]
    preparation = prepare("standardise", learn, (12,))
    train, judge = preparation(learn), preparation(generator.normal(size=(25, 12)))
    protocol = find_protocol("linear", SET_PROTOCOLS)
    targets = ClassSets(truth, 4)
    fits = list(protocol.path(train, targets, judge, [1.0, 10.0]))
    for fit in fits:
        for k in (0, 1):
            whole = LogisticRegression(C=fit.setting, tol=1e-9, max_iter=10_000).fit(train, truth[:, k])
            np.testing.assert_allclose(fit.output[:, k], whole.predict_proba(judge)[:, 1], atol=5e-3)  # scikit-learn's tolerance, 1e-4
        assert (fit.output[:, 2] == 0).all() and (fit.output[:, 3] == 1).all()  # never and always
    import torch

    tensors = protocol.fit(train, targets, [1.0, 10.0])
    np.testing.assert_allclose(protocol.outputs(tensors, torch.from_numpy(judge).float()), fits[-1].output, atol=1e-5)


def test_neighbours_tell_the_share_of_each_class() -> None:
    truth = np.array([[1, 1], [1, 0], [0, 0]])
    train = np.eye(3)
    (fit,) = find_protocol("knn", SET_PROTOCOLS).path(train, ClassSets(truth, 2), np.array([[1.0, 1.0, -5.0]]), [2.0])
    np.testing.assert_allclose(fit.output, [[1.0, 0.5]])


def test_from_a_table_to_predictions(tmp_path: Path) -> None:
    """Stripes along are `along`, every third picture is also `third`: chosen by auto, compared, and predicted as sets."""
    folder = folder_of(tmp_path / "pictures")
    names = sorted(path.name for path in folder.glob("[wl]*.png"))
    kinds = ["along" if name[0] == "l" else "across" for name in names]
    labels = [kind if at % 3 else f"{kind}|third" for at, kind in enumerate(kinds)]
    (folder / "labels.csv").write_text("path,label\n" + "".join(f"{name},{label}\n" for name, label in zip(names, labels, strict=True)))
    asked = ["evaluate.labels_per_class=[8]", "evaluate.draws=1"]
    asked += ["evaluate.primary={arm: domain, against: random, protocol: linear, budget: 8, metric: macro_ap}"]
    given = [f"data.root={folder}", f"data.labels={folder / 'labels.csv'}", *SMALL, *asked]
    run = labelfree.run("satellite_simclr", given, tmp_path / "run", say=Silent())
    scored = table(run.folder / "results.csv")
    assert {row["task"] for row in scored} == {"multilabel"} and {row["metric"] for row in scored} == {"macro_ap", "macro_f1"}
    assert json.loads((run.folder / "classes.json").read_text()) == list(CLASSES)
    told = table(labelfree.predict(run.folder, folder, tmp_path / "out", say=Silent()).files[0])
    for row in told:
        called = [name for name in CLASSES if float(row[f"score_{name}"]) >= 0.5]
        assert row["class"] == "|".join(called)
        scores = [float(row[f"score_{name}"]) for name in called or CLASSES]
        assert float(row["score"]) == (min if called else max)(scores)


def test_before_a_table_is_read_the_metric_tells_the_task() -> None:
    asked = Evaluate(primary=Primary(metric="macro_ap"))
    assert task_for(asked).name == "multilabel"  # before a table is read, by its metric
