"""Recall, median rank, their ties, their chance and their weights, each beside a recount in plain loops or another library."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torchmetrics.retrieval import RetrievalHitRate

from labelfree.transfer.tasks.recall import Queries
from labelfree.transfer.tasks.retrieval import Captioned, Retrieval, SharedSpace
from labelfree.transfer.tasks.standing import chance_rank, missed, standing
from labelfree.transfer.tasks.weights import Weights

METRICS = Retrieval.metrics
DIRECTIONS = ("image_to_text", "text_to_image")


def space(seed: int, images: int = 14, texts: int = 20, width: int = 6) -> SharedSpace:
    """Images with one to four texts, some of which several carry; every text is carried."""
    draw = np.random.default_rng(seed)
    says = [draw.choice(texts, draw.integers(1, 5), replace=False) for _ in range(images)]
    for text in range(texts):
        says[text % images] = np.append(says[text % images], text)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (draw.normal(size=(n, width)) for n in (images, texts))]
    return SharedSpace(unit[0].astype(np.float32), unit[1].astype(np.float32), [np.unique(each) for each in says])


def answers(given: SharedSpace):
    count = len(given.images)
    return Retrieval().answers(given, Captioned(np.arange(count), captions=(("x",),) * count))


def ranks(given: SharedSpace, of_texts: bool) -> list[int]:
    """The place of the first right answer of each query, counted one by one; no two answers are equally near."""
    near = given.images.astype(float) @ given.texts.astype(float).T
    table, right = (near.T, [[i for i, says in enumerate(given.says) if text in says] for text in range(len(given.texts))])
    if not of_texts:
        table, right = near, [list(says) for says in given.says]
    found = []
    for line, good in zip(table, right, strict=True):
        order = sorted(range(len(line)), key=lambda at: -line[at])
        found.append(1 + min(order.index(at) for at in good))
    return found


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_recall_and_median_rank_equal_a_recount(seed: int) -> None:
    given = space(seed)
    table = answers(given)
    for name, of_texts in zip(DIRECTIONS, (False, True), strict=True):
        expected = ranks(given, of_texts)
        for first in (1, 5, 10):
            assert METRICS[f"{name}_r{first}"].value(table) == pytest.approx(np.mean([rank <= first for rank in expected]))
        assert METRICS[f"{name}_median_rank"].value(table) == pytest.approx(np.median(expected))


def test_recall_equals_the_hit_rate_of_torchmetrics() -> None:
    given = space(3, images=40, texts=70)
    near, carried = torch.from_numpy(given.images @ given.texts.T), torch.from_numpy(given.carried(0, 40))
    for name, scores, right in (("image_to_text", near, carried), ("text_to_image", near.T, carried.T)):
        queries = torch.arange(len(scores))[:, None].expand_as(scores)
        for first in (1, 5, 10):
            expected = RetrievalHitRate(top_k=first)(scores.flatten(), right.flatten(), queries.flatten())
            assert METRICS[f"{name}_r{first}"].value(answers(given)) == pytest.approx(float(expected), abs=1e-6)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6).filter(lambda each: any(good for _, good in each)))
def test_ties_are_the_mean_over_all_orders(gallery: list[tuple[int, bool]]) -> None:
    """Levels of nearness with whether an answer is right: every order of equally near ones is gone through."""
    cosines = np.array([level / 4 for level, _ in gallery])
    texts = np.stack([cosines, np.sqrt(1 - cosines**2)], 1)
    right = np.array([[good for _, good in gallery]])
    at = standing(np.array([[1.0, 0.0]]), texts, lambda start, end: right[start:end])
    found = []
    for order in permutations(range(len(gallery))):
        ordered = sorted(order, key=lambda i: -cosines[i])  # sorted is stable: equal ones stand as in `order`
        found.append(1 + next(place for place, i in enumerate(ordered) if gallery[i][1]))
    assert at.rank[0] == pytest.approx(np.mean(found))
    for first in range(1, len(gallery) + 1):
        assert at.within(first)[0] == pytest.approx(np.mean([rank <= first for rank in found]))


@pytest.mark.parametrize("which", ["images", "texts", "both"])
def test_a_constant_model_is_worth_chance(which: str) -> None:
    given = space(1)
    same = {
        name: np.repeat(getattr(given, name)[:1], len(getattr(given, name)), 0) for name in ("images", "texts") if which in (name, "both")
    }
    table = answers(SharedSpace(**{"images": given.images, "texts": given.texts, **same}, says=given.says))
    for name in DIRECTIONS:
        if which != "both" and not name.startswith("text" if which == "images" else "image"):
            continue  # all queries the same orders a gallery like any other
        for first in (1, 5, 10):
            metric = METRICS[f"{name}_r{first}"]
            assert metric.value(table) == pytest.approx(metric.chance(table))


@given(st.integers(1, 7), st.data())
def test_chance_counts_all_orders(size: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(1, size))
    places = list(combinations(range(1, size + 1), right))
    for first in range(size + 1):
        expected = Fraction(sum(min(each) > first for each in places), len(places))
        assert missed(np.array([right]), size, first)[0] == pytest.approx(float(expected))
    by_half = next(rank for rank in range(1, size + 1) if 2 * sum(min(each) <= rank for each in places) >= len(places))
    assert chance_rank(np.array([right]), np.ones(1), size) == by_half


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 3), min_size=14, max_size=14).filter(any))
def test_weights_count_images_and_share_out_what_they_have_in_common(seed: int, counts: list[int]) -> None:
    """Resampled, an image is there as often as it was drawn; a text as often as the images that carry it, on average."""
    given = space(seed)
    table, weights = answers(given), Weights(np.array([counts], np.uint16), np.arange(14))
    of_images = ranks(given, False)
    drawn = [rank for rank, count in zip(of_images, counts, strict=True) for _ in range(count)]
    assert METRICS["image_to_text_r5"](table, weights)[0] == pytest.approx(np.mean(np.array(drawn) <= 5))
    assert METRICS["image_to_text_median_rank"](table, weights)[0] == pytest.approx(np.median(drawn))
    worth = [np.mean([counts[i] for i, says in enumerate(given.says) if text in says]) for text in range(20)]
    of_texts = np.array(ranks(given, True))
    assert METRICS["text_to_image_r5"](table, weights)[0] == pytest.approx(np.average(of_texts <= 5, weights=worth))
    order = np.argsort(of_texts, kind="stable")
    reached, half = np.cumsum(np.array(worth)[order]), np.sum(worth) / 2
    below, above = (of_texts[order][np.searchsorted(reached, half + part * 1e-9)] for part in (-1, 1))
    assert METRICS["text_to_image_median_rank"](table, weights)[0] == pytest.approx((below + above) / 2)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, 13), st.integers(0, 13))
def test_a_text_that_another_image_carries_as_well_is_an_answer_of_both(seed: int, first: int, second: int) -> None:
    """One image's texts are said of another as well: no query gets worse by it, and each counts once whoever carries it."""
    given = space(seed)
    says: Sequence[np.ndarray] = [np.union1d(each, given.says[second]) if at == first else each for at, each in enumerate(given.says)]
    before, after = (Queries(answers(each), True) for each in (given, SharedSpace(given.images, given.texts, says)))
    best = [
        {int(text): rank for text, rank in zip(np.concatenate(lists), found.at.rank, strict=True)}
        for found, lists in ((before, given.says), (after, says))
    ]
    assert all(best[1][text] <= rank for text, rank in best[0].items())
    for queries in (before, after):
        assert queries.counts.sum() == pytest.approx(20)


def test_medians_and_means_of_many_resamplings_at_once_are_those_of_each() -> None:
    table, groups = answers(space(5)), np.arange(14) // 2
    whole = Weights.resampled(groups, 7, 0, 50)
    for metric in METRICS.values():
        each = [metric(table, Weights(line[None], groups))[0] for line in whole.counts]
        assert_allclose(metric(table, whole), each)
        assert metric.value(table.slice(0, 0)) != metric.value(table.slice(0, 0))  # NaN: nobody asked
