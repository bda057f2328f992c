"""Label budgets: which labels a draw may see. Nested, stratified, and the same for every arm (docs/protocol.md, 6)."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Literal, TypeVar

import numpy as np

Budget = int | Literal["all"]
NO_LABELS: Budget = 0  # of what learns from none
S = TypeVar("S", bound=int | str)


def draw_order(classes: Sequence[str], groups: Sequence[str | None], ids: Sequence[str], seed: int, draw: int) -> dict[str, list[int]]:
    """For each class the positions of its rows in the order in which draw number `draw` hands them out.

    Groups of a class come in the order of hash(seed, draw, class, group), rows are taken round-robin over them: few labels show many
    groups. A row without a group is its own. The order depends on names alone, not on where a row stands.
    """
    members: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for position, (name, group, identity) in enumerate(zip(classes, groups, ids, strict=True)):
        members[name][f"group {group}" if group is not None else f"row {identity}"].append(position)
    order = {}
    for name in sorted(members):
        queues = []
        for group in sorted(members[name], key=lambda group: (_hash(seed, draw, name, group), group)):
            queues.append(sorted(members[name][group], key=lambda i: (_hash(seed, draw, name, group, ids[i]), ids[i])))
        order[name] = [i for turn in zip_longest(*queues) for i in turn if i is not None]
    return order


def budget(order: Mapping[str, Sequence[int]], size: Budget, in_all: bool = False, empty: str = "") -> np.ndarray:
    """Sorted positions of the first `size` rows of each class (of all of them for "all"), or of all classes together, `in_all`.

    `empty`: the class of rows that show nothing of what is looked for, see `dealt`.
    """
    if in_all and size != "all":
        return np.array(sorted(dealt(order, empty)[:size]), dtype=np.int64)
    chosen = [i for rows in order.values() for i in (rows if size == "all" else rows[:size])]
    return np.array(sorted(chosen), dtype=np.int64)


def largest(budgets: Iterable[S]) -> S:
    """Of budgets, in numbers or in words as files keep them; "all" is above every number."""
    return max(budgets, key=lambda size: math.inf if size == "all" else int(size))


def dealt(order: Mapping[str, Sequence[int]], empty: str = "") -> list[int]:
    """The rows of all classes in the order in which a budget that counts them together takes them, so that budgets are nested.

    Each class has its share at any length: next comes the one that is furthest behind, of equals the rarest. The class `empty`, of rows
    that show nothing of what is looked for, waits until another has been dealt.
    """
    total, taken, rows = sum(map(len, order.values())), Counter[str](), list[int]()
    rarest_first = sorted(order, key=lambda name: (len(order[name]), name))
    while len(rows) < total:
        left = [name for name in rarest_first if taken[name] < len(order[name])]
        ready = [name for name in left if rows or name != empty] or left
        name = max(ready, key=lambda name: len(order[name]) * (len(rows) + 1) / total - taken[name])
        rows.append(order[name][taken[name]])
        taken[name] += 1
    return rows


def usable_budgets(
    sizes: Sequence[Budget],
    strata: Sequence[str] | np.ndarray,
    counted: str = "labels a class",
    stratum: str = "class",
    in_all: bool = False,
) -> tuple[list[Budget], list[str]]:
    """The budgets that these training labels allow, ascending with "all" last, and a sentence for each one dropped.

    `strata`: of each labelled row. A budget above half the rarest is dropped: its draws would be nearly the same rows. `counted`,
    `stratum`: what the task calls a budget's labels and one stratum. `in_all`: a budget counts the labels of all strata together.
    """
    counts = Counter(map(str, strata))
    rarest, least = min(counts.items(), key=lambda item: (item[1], item[0]))
    least = len(strata) if in_all else least
    there = f"there are {least}" if in_all else f"{stratum} {rarest!r} has {least} training labels"
    numbers = sorted({size for size in sizes if size != "all"})
    kept: list[Budget] = [size for size in numbers if size <= least / 2]
    notes = [f"Budget of {size} {counted} dropped: {there}, and a budget may use half of them." for size in numbers if size > least / 2]
    if "all" in sizes or not kept:
        kept.append("all")
        if "all" not in sizes:
            notes.append("No budget is left, so all training labels are used.")
    return kept, notes


def _hash(*parts: object) -> bytes:
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
