"""PROTOCOL 6: budgets are nested, stratified, group-spread, and depend on names alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.budgets import budget, draw_order, usable_budgets

rows = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "g1", "g2", "g3"])), min_size=1, max_size=60)


@given(rows, st.integers(0, 5), st.integers(0, 4), st.permutations([1, 2, 3, 5, 8]))
def test_nested_stratified_and_complete(pairs: list[tuple[str, str | None]], seed: int, draw: int, sizes: list[int]) -> None:
    classes, groups, ids = [p[0] for p in pairs], [p[1] for p in pairs], [f"{i}.png" for i in range(len(pairs))]
    order = draw_order(classes, groups, ids, seed, draw)
    total = Counter(classes)
    chosen = {size: set(budget(order, size).tolist()) for size in sizes}
    for size in sizes:
        assert Counter(classes[i] for i in chosen[size]) == {name: min(size, n) for name, n in total.items()}
        assert all(chosen[less] <= chosen[size] for less in sizes if less <= size)
    assert budget(order, "all").tolist() == list(range(len(pairs)))


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(pairs: list[tuple[str, str | None]], random: object) -> None:
    ids = [f"{i}.png" for i in range(len(pairs))]
    table = [(name, group, identity) for (name, group), identity in zip(pairs, ids, strict=True)]
    shuffled = list(table)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def drawn(lines: list[tuple[str, str | None, str]]) -> set[str]:
        order = draw_order(*map(list, zip(*lines, strict=True)), seed=1, draw=2)  # type: ignore[arg-type]
        return {lines[i][2] for i in budget(order, 3)}

    assert drawn(table) == drawn(shuffled)


@given(st.integers(2, 6), st.integers(0, 20))
def test_few_labels_show_many_groups(count: int, draw: int) -> None:
    groups = [f"g{i % count}" for i in range(count * 5)]
    order = draw_order(["a"] * len(groups), groups, [str(i) for i in range(len(groups))], 0, draw)
    assert len({groups[i] for i in budget(order, count)}) == count


def test_draws_and_seeds_differ() -> None:
    args = (["a"] * 100, [None] * 100, [str(i) for i in range(100)])
    seen = {tuple(budget(draw_order(*args, seed, draw), 5)) for seed in range(3) for draw in range(5)}
    assert len(seen) == 15


def test_every_row_is_drawn_equally_often() -> None:
    args = (["a"] * 10, [None] * 10, [str(i) for i in range(10)])
    counts = np.bincount([budget(draw_order(*args, 0, draw), 1)[0] for draw in range(4000)], minlength=10)
    assert counts.min() > 330 and counts.max() < 470  # 400 expected, 19 the standard deviation


def test_budgets_above_half_the_rarest_class_are_dropped_with_a_line() -> None:
    kept, notes = usable_budgets([1, 5, 10, 50, "all"], ["a"] * 20 + ["b"] * 100)
    assert kept == [1, 5, 10, "all"]
    assert len(notes) == 1 and "Budget of 50" in notes[0] and "'a' has 20" in notes[0]


def test_where_no_number_is_left_all_labels_are_used() -> None:
    kept, notes = usable_budgets([5], ["a", "b", "b"])
    assert kept == ["all"] and len(notes) == 2
