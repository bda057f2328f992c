"""Budgets that count labelled images of all strata together."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.budgets import budget, dealt, usable_budgets

STRATA = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 30), min_size=1)


def order_of(counts: dict[str, int]) -> dict[str, list[int]]:
    rows = iter(range(sum(counts.values())))
    return {name: [next(rows) for _ in range(count)] for name, count in sorted(counts.items())}


@given(STRATA)
def test_every_stratum_has_its_share_at_any_length(counts: dict[str, int]) -> None:
    order, total = order_of(counts), sum(counts.values())
    stratum = {row: name for name, rows in order.items() for row in rows}
    rows = dealt(order)
    assert sorted(rows) == list(range(total))
    for length in range(1, total + 1):
        taken = Counter(stratum[row] for row in rows[:length])
        assert all(abs(taken[name] - length * counts[name] / total) < len(counts) for name in counts)


@given(STRATA, st.integers(1, 40), st.integers(1, 40))
def test_budgets_are_nested(counts: dict[str, int], one: int, other: int) -> None:
    order = order_of(counts)
    small, large = (set(budget(order, size, in_all=True).tolist()) for size in sorted((one, other)))
    assert small <= large and len(large) == min(max(one, other), sum(counts.values()))


def test_the_first_image_shows_something() -> None:
    order = order_of({"nothing": 20, "water": 3})
    first = dealt(order, empty="nothing")[0]
    assert first in order["water"]
    assert dealt({"nothing": [4, 2]}, empty="nothing") == [4, 2]


def test_half_of_all_labelled_images_bound_a_budget() -> None:
    strata = ["a"] * 9 + ["b"]
    kept, notes = usable_budgets([1, 5, 6, "all"], strata, "labelled images", in_all=True)
    assert kept == [1, 5, "all"]
    assert notes == ["Budget of 6 labelled images dropped: there are 10, and a budget may use half of them."]
