"""Labels spread over unlabelled images: the equation, the balance, and that nothing scored has a part in it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.datasets import make_moons
from sklearn.semi_supervised import LabelSpreading

from labelfree.deploy.loading import load_head
from labelfree.progress import Silent
from labelfree.recipe import Evaluate, Primary
from labelfree.transfer.comparison import answer
from labelfree.transfer.heads import train_head
from labelfree.transfer.neighbour_graph import NEIGHBOURS, POWER, REACH, Graph, spread
from labelfree.transfer.protocols import HeadProtocol, find_protocol, unit_rows
from labelfree.transfer.protocols.propagate import told
from labelfree.transfer.question import Question
from labelfree.transfer.selection import Choice, Grid, Search
from labelfree.transfer.unlabelled import Beside, Unlabelled
from tests.deploy.made_heads import vector_head
from tests.transfer.classes import TASK, classes

ASKED = Evaluate(
    arms=["imagenet"], labels_per_class=[1, 5], draws=2, protocols=["propagate"],
    primary=Primary(arm="imagenet", against="imagenet", protocol="propagate", budget=5),
)  # fmt: skip


def rows_of(seed: int, count: int, width: int = 6) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).normal(size=(count, width)))


def dense(rows: np.ndarray) -> np.ndarray:
    """W of the graph among (n, D) rows of length 1, row by row as the paper has it."""
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -np.inf)
    weights = np.zeros_like(similarity)
    for row, cosines in enumerate(similarity):
        near = np.argsort(-cosines)[:NEIGHBOURS]
        weights[row, near] = np.maximum(cosines[near], 0) ** POWER
    return weights + weights.T


@pytest.mark.parametrize("dropped", [0, 3, 45, 58])
def test_joined_rows_give_the_graph_of_all_rows_at_once(dropped: int) -> None:
    """However many of the rest are left out: with more than were kept in reserve, neighbours are looked for again."""
    rest, labelled = rows_of(0, 60), rows_of(1, 7)
    kept = np.ones(60, bool)
    kept[np.random.default_rng(2).permutation(60)[:dropped]] = False
    weights = Graph.of(rest).joined(labelled, kept)
    assert_allclose(weights.toarray(), dense(np.concatenate([labelled, rest[kept]])), atol=1e-6)


def test_labels_spread_as_the_equation_says_and_as_scikit_learn_does() -> None:
    weights = dense(rows_of(0, 80))
    known = np.zeros((80, 3))
    known[[0, 1, 2, 3], [0, 1, 2, 2]] = 1
    reached = spread(csr_array(weights), known)
    scale = np.diag(weights.sum(1) ** -0.5)
    assert_allclose(reached, np.linalg.solve(np.eye(80) - REACH * scale @ weights @ scale, known), atol=1e-5)
    labels = np.full(80, -1)
    labels[[0, 1, 2, 3]] = [0, 1, 2, 2]
    independent = LabelSpreading(kernel=lambda one, other: weights, alpha=REACH, max_iter=5000, tol=1e-10).fit(
        np.arange(80)[:, None], labels
    )
    assert_allclose(reached / reached.sum(1, keepdims=True), independent.label_distributions_, atol=1e-4)


def test_a_node_that_no_label_reaches_has_no_say() -> None:
    two_islands = np.zeros((4, 4))
    two_islands[0, 1] = two_islands[1, 0] = two_islands[2, 3] = two_islands[3, 2] = 1
    known = np.zeros((4, 2))
    known[[0, 1], [0, 1]] = 1
    reached = spread(csr_array(two_islands), known)
    assert_array_equal(reached[2:], 0)
    assert_array_equal(told(reached, classes(np.array([0, 1]), 2))[1] > 0, [True, True, False, False])


def test_classes_weigh_the_same_and_labelled_rows_keep_their_own() -> None:
    """Class 0 has nine labels and 1 has one; what is nearest to 1 is not drowned."""
    generator = np.random.default_rng(0)
    targets = classes(np.array([0] * 9 + [1]), 3)
    reached = generator.random((200, 3)) * [9, 1, 0]
    reached[0] = [0, 1, 0]  # a labelled row whose neighbours are all of the other class
    called, weights = told(reached, targets)
    assert_array_equal(called[:10], targets.values)
    sums = np.bincount(called, weights, 3)
    assert_allclose(sums, [100, 100, 0])
    assert 60 < (called == 1).sum() < 140
    certain = weights / np.where(called == 0, weights[0], weights[9])
    assert certain[:10].min() == certain[:10].max() == 1 and certain[10:].max() <= 1 and certain.min() >= 0


def bound(rest: np.ndarray) -> HeadProtocol:
    return find_protocol("propagate").beside(rest, (rest.shape[1],))


def answered(protocol: HeadProtocol, learn: np.ndarray, targets: np.ndarray, judge: np.ndarray, count: int = 2) -> np.ndarray:
    search = Search(TASK, protocol, TASK.metrics["accuracy"], Grid())
    width = (learn.shape[1],)
    return search.answer(Choice(64, "centre_l2", protocol.default), learn, classes(targets, count), judge, width).output


def arcs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two half moons that no line tells apart, bent into the features of a network: distances of 30 places (N, 30)."""
    points, targets = make_moons(count, noise=0.06, random_state=seed)
    places = make_moons(30, noise=0, random_state=0)[0]
    return np.exp(-((points[:, None] - places) ** 2).sum(2) / 0.1).astype(np.float32), targets


def test_one_label_a_class_goes_along_a_bend_that_a_line_does_not_follow() -> None:
    rest, _ = arcs(400, 0)
    judge, right = arcs(200, 1)
    wins = []
    for seed in range(5):
        rows, known = arcs(100, 10 + seed)
        first = [int(np.flatnonzero(known == k)[0]) for k in (0, 1)]
        scores = [
            (answered(protocol, rows[first], known[first], judge).argmax(1) == right).mean()
            for protocol in (find_protocol("linear"), bound(rest))
        ]
        wins.append(scores[1] - scores[0])
    assert np.mean(wins) > 0.1


def test_a_saved_head_answers_without_the_graph(tmp_path: Path) -> None:
    rest, _ = arcs(300, 0)
    learn, targets = arcs(20, 2)
    judge, _ = arcs(50, 1)
    choice = Choice(64, "centre_l2", 1.0)
    head = train_head(learn, classes(targets, 2), bound(rest), choice, (30,))
    loaded = load_head(vector_head(tmp_path / "head.safetensors", head, ("a", "b"))).head
    assert set(dict(loaded.named_buffers())) == {"mean", "blocks", "weight", "bias"}
    assert_allclose(loaded(torch.from_numpy(judge)).numpy(), answered(bound(rest), learn, targets, judge), atol=1e-5)


@pytest.mark.parametrize("left_out", [0, 300])
def test_answers_are_the_same_each_time_and_rows_not_scored_together_get_them_too(left_out: int) -> None:
    rest, _ = arcs(300, 0)
    learn, targets = arcs(20, 2)
    judge, _ = arcs(50, 1)
    out = np.arange(300) < left_out
    one, two = (answered(bound(rest).without(out), learn, targets, judge) for _ in range(2))
    assert_array_equal(one, two)
    assert_allclose(answered(bound(rest).without(out), learn, targets, judge[:7]), one[:7], atol=1e-12)


def test_without_unlabelled_images_the_labelled_ones_alone_teach() -> None:
    learn, targets = arcs(20, 2)
    judge, _ = arcs(50, 1)
    search = Search(TASK, find_protocol("linear"), TASK.metrics["accuracy"], Grid(settings={"linear": (1.0,)}))
    expected = search.answer(Choice(64, "centre_l2", 1.0), learn, classes(targets, 2), judge, (30,)).output
    assert_array_equal(answered(find_protocol("propagate"), learn, targets, judge), expected)


def test_few_unlabelled_images_and_classes_without_a_label() -> None:
    learn, judge = rows_of(0, 4).astype(np.float32), rows_of(1, 5).astype(np.float32)
    for count in (1, 2, 5):
        output = answered(bound(rows_of(2, count).astype(np.float32)), learn, np.array([0, 0, 2, 2]), judge, count=4)
        assert_allclose(output.sum(1), 1)
        assert_array_equal(output[:, [1, 3]], 0)
    one_class = answered(bound(rows_of(2, 30).astype(np.float32)), learn, np.array([1, 1, 1, 1]), judge)
    assert_array_equal(one_class, [[0, 1]] * 5)


# A whole comparison: rows 0 … n-1 of the encoder are the question's, the others the unlabelled images.


@dataclass(frozen=True)
class Features:
    """An encoder of a table of features (N, D), one input size."""

    table: np.ndarray
    arm: str = "imagenet"
    backbone: str = "made_up_net"
    seed: int = 0
    sizes: tuple[int, ...] = (32,)
    digest: str = "features"

    @property
    def blocks(self) -> tuple[int, ...]:
        return (self.table.shape[1],)

    def features(self, pool: Rows, entries: Sequence[int], size: int) -> np.ndarray:
        return self.table[pool.first + np.asarray(entries)]


@dataclass(frozen=True)
class Rows:
    """Stands for a pool: so many rows of the table from `first` on."""

    first: int
    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def index(self) -> SimpleNamespace:
        return SimpleNamespace(digest=np.array([f"content {self.first + at}" for at in range(self.count)]))


def beside(
    question: Question, ids: Sequence[str], groups: Sequence[str | None] | None = None, copies: Sequence[tuple[int, int]] = ()
) -> Unlabelled:
    groups = tuple(groups or [None] * len(ids))
    return Unlabelled(
        question, Rows(len(question.ids), len(ids)), np.arange(len(ids)), tuple(ids), groups, np.array(copies, np.int64).reshape(-1, 2)
    )


def scores(question: Question, table: np.ndarray, unlabelled: Unlabelled, folder: Path) -> np.ndarray:
    """(rows, K) of every answer, in the order written."""
    answer(question, [Features(table)], ASKED, Rows(0, len(question.ids)), folder, Silent(), unlabelled)
    column = pq.read_table(folder / "predictions.parquet")["scores"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


def table_of(question: Question, rest: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    targets = np.concatenate([question.targets.values, generator.integers(0, 3, rest)])
    return (generator.normal(size=(len(targets), 8)) + 1.5 * np.eye(8)[targets]).astype(np.float32)


def test_what_scored_rows_look_like_changes_no_other_answer(ask, run_folder) -> None:
    """Each scored row but one is replaced by another image: the answer for that one stays, so none has a part in the graph."""
    question = ask()
    rest = beside(question, [f"u{at}" for at in range(80)])
    table = table_of(question, 80)
    poisoned = table.copy()
    poisoned[61:105] = 100 * table_of(question, 80, seed=1)[61:105]
    one, two = (scores(question, rows, rest, run_folder(ASKED)) for rows in (table, poisoned))
    assert_array_equal(one[::45], two[::45])
    assert not np.allclose(one, two)
    poisoned[105:] = table[105:][:, ::-1]
    assert not np.allclose(scores(question, poisoned, rest, run_folder(ASKED))[::45], one[::45])  # and the unlabelled images have


def test_in_cross_validation_rows_of_other_folds_are_not_in_the_graph(ask, run_folder) -> None:
    """The labelled rows and what is beside them: only budgets and the images without a label teach."""
    question = ask(train=60, score=0)
    rest = beside(question, [f"u{at}" for at in range(80)])
    table = table_of(question, 80)
    folder = run_folder(ASKED)
    before = scores(question, table, rest, folder)
    found = pq.read_table(folder / "predictions.parquet").to_pylist()
    first = next(row for row in found if row["budget"] == "5")
    fold = {row["row_id"] for row in found if (row["budget"], row["draw"], row["fold"]) == ("5", first["draw"], first["fold"])}
    poisoned = table.copy()
    for at, name in enumerate(question.ids):
        if name in fold and name != first["row_id"]:
            poisoned[at] *= -50
    after = scores(question, poisoned, rest, run_folder(ASKED))
    assert_array_equal(after[found.index(first)], before[found.index(first)])


def test_labels_beyond_the_budget_are_unknown(ask, run_folder) -> None:
    """With a split the rows that give labels lie in the pool too: those that a budget leaves out are unlabelled images like any other."""
    question = ask()
    ids = [*question.ids[:60], *(f"u{at}" for at in range(40))]
    copies = [(at, at) for at in range(60)]
    table = table_of(question, 100)
    table[105:165] = table[:60]
    folder = run_folder(ASKED)
    one = scores(question, table, beside(question, ids, copies=copies), folder)
    with (folder / "budgets.csv").open() as stream:
        labelled = {row["row_id"] for row in csv.DictReader(stream) if int(row["position"]) < 5}
    assert len(labelled) < 60
    wrong = question.targets.values.copy()
    for at, name in enumerate(question.ids[:60]):
        if name not in labelled:
            wrong[at] = (wrong[at] + 1) % 3
    other = replace(question, targets=replace(question.targets, values=wrong))
    assert_array_equal(one, scores(other, table, beside(other, ids, copies=copies), run_folder(ASKED)))


def test_who_is_left_out_of_the_unlabelled(ask) -> None:
    question = ask(train=60, score=45, group=5)
    rest = beside(
        question,
        ["000.png", "copy of 001", "same scene as 000", "other scene", "no scene"],
        ["scene 0", None, "scene 0", "scene 7", None],
        [(0, 0), (1, 1), (3, 35)],
    )
    assert_array_equal(rest.same_as(np.array([0])), [True, False, False, False, False])
    assert_array_equal(rest.same_as(np.array([1, 35])), [False, True, False, True, False])
    assert_array_equal(rest.related_to(np.array([1])), [True, True, True, False, False])
    fewer = rest.only(np.array([False, True, False, True, True]))
    assert fewer.ids == ("copy of 001", "other scene", "no scene")
    assert_array_equal(fewer.copies, [[0, 1], [1, 35]])
    assert fewer.digest != rest.digest


def test_rows_held_out_inside_a_budget_and_their_relatives_are_left_out_too(ask) -> None:
    question = ask(train=60, score=45, group=5)
    ids = ["000.png", "another of scene 0", "another of scene 4", "020.png", "021.png", *(f"u{at}" for at in range(20))]
    groups = ["scene 0", "scene 0", "scene 4", "scene 4", "scene 4", *[None] * 20]
    rest = beside(question, ids, groups)
    learner = Beside(find_protocol("propagate"), rest, lambda size: rows_of(size, 25).astype(np.float32), (6,)).learner(np.array([0, 20]))
    assert_array_equal(learner(32, None).kept[:5], [False, True, True, False, True])  # the budget's own rows appear once, with their labels
    assert_array_equal(learner(32, np.array([1])).kept[:5], [False, True, False, False, False])
    assert learner(32, None).kept[5:].all()
    assert learner(32, None).rest is learner(32, np.array([0])).rest is not learner(64, None).rest  # one graph an input size
