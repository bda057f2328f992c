"""The leak guard: are images that are scored also trained on, exactly or nearly? (docs/protocol.md, 3 and 4)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from typing import Any

import numpy as np

from labelfree.data.chosen import AUDIT
from labelfree.data.ground import GROUP_OF_COPIES
from labelfree.data.near_duplicates import Prints, alike_by_chance, near_pairs, prints
from labelfree.data.pool_reader import Pool
from labelfree.data.same_values import groups_of_copies
from labelfree.domain import Row
from labelfree.errors import LeakError
from labelfree.recipe import Data

LIMIT_SHARE, LIMIT_ROWS = 0.01, 2
WAYS = "remove them, give a `group` column, raise data.leak_limit, or set data.transductive=true to mark the report"


@dataclass(frozen=True)
class Witnesses:
    """What the guard knows of n images: their rows, `traces` (n, k) of their values, and `thumbs` (n, 32, 32)."""

    rows: list[Row]
    traces: np.ndarray
    thumbs: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def groups(self) -> list[str]:
        """The group of each image; one without is its own."""
        return [_group(row) for row in self.rows]


@dataclass(frozen=True)
class LeakReport:
    """What was found. Pairs are (trained row id, scored row id), near ones with their r.

    `judged`, `not_judged`: scored images with and without enough structure for the near test. `limit`: scored images that may have a
    near-duplicate. `chance`: share of random pairs of different groups that look alike. `dropped`: pool row ids that must not be
    trained on, `dropped_near` of them for near-duplicates alone. `scored_near`: ids of scored rows with a near-duplicate, for the score
    without them.
    """

    exact: list[tuple[str, str]] = field(default_factory=list)
    near: list[tuple[str, str, float]] = field(default_factory=list)
    scored: int = 0
    judged: int = 0
    not_judged: int = 0
    limit: int = 0
    chance: float = 0.0
    cannot_tell: bool = False
    dropped: list[str] = field(default_factory=list)
    dropped_near: int = 0
    transductive: bool = False
    scored_near: list[str] = field(default_factory=list)
    sentence: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for leaks.json."""
        return asdict(self)


def witnesses(pool: Pool, rows: Sequence[Row]) -> Witnesses:
    """What the pool knows of these rows; rows it does not hold (skipped, sampled away) are left out."""
    where = {row.id: i for i, row in enumerate(pool.images)}
    held = [row for row in rows if row.id in where]
    index = np.array([where[row.id] for row in held], dtype=np.int64)
    return Witnesses(held, pool.index.traces[index], pool.index.thumbs[index])


def exact_leaks(trained: Witnesses, scored: Witnesses) -> list[tuple[str, str]]:
    """Pairs of ids whose values are equal, however they are stored: every image that has a partner, each with one of its partners."""
    return _pairs(_copies(trained, scored))


def _pairs(copies: Sequence[tuple[list[str], list[str]]]) -> list[tuple[str, str]]:
    pairs: dict[tuple[str, str], None] = {}
    for mine, theirs in copies:
        pairs |= dict.fromkeys((one, theirs[0]) for one in mine)
        pairs |= dict.fromkeys((mine[0], other) for other in theirs)
    return list(pairs)


def _copies(trained: Witnesses, scored: Witnesses) -> list[tuple[list[str], list[str]]]:
    """Ids of trained and of scored images that hold the same values."""
    ids = [row.id for row in (*trained.rows, *scored.rows)]
    shared = []
    for group in groups_of_copies(np.concatenate([trained.traces, scored.traces])):
        mine, theirs = [ids[i] for i in group if i < len(trained)], [ids[i] for i in group if i >= len(trained)]
        if mine and theirs:
            shared.append((mine, theirs))
    return shared


def guard(trained: Witnesses, scored: Witnesses, data: Data, *, has_test: bool, loose: Set[str] = frozenset()) -> LeakReport:
    """Compare what is trained on with what is scored.

    With a test split (`has_test`) an exact copy stops the run; without one the pool's copy is named in `dropped`. Near-duplicates
    are counted and stop the run above `data.leak_limit`, unless random pairs of different groups look as much alike.
    An audit is drawn from the very folder that is pretrained on: rows of `loose` (ids of trained rows without a label) that repeat one
    of its images, exactly or nearly, are named in `dropped` instead.
    Raises `LeakError`, unless `data.transductive`.
    """
    copies = _copies(trained, scored)
    exact = _pairs(copies)
    known = {identity: number for number, group in enumerate(copies) for part in group for identity in part}
    a, b = prints(trained.thumbs), prints(scored.thumbs)
    near = [(trained.rows[i].id, scored.rows[j].id, round(r, 4)) for i, j, r in near_pairs(a, b)]
    near = [pair for pair in near if known.get(pair[0], -1) != known.get(pair[1], -2)]
    audit = {row.id for row in scored.rows if row.chosen == AUDIT}
    leaving = {pair[0] for pair in near if pair[0] in loose and pair[1] in audit}
    scored_near = sorted({pair[1] for pair in near})
    limit = _limit(len(scored), data)
    asked = leaving or len(scored_near) > limit
    both = Prints(np.concatenate([a.high, b.high]), np.concatenate([a.judged, b.judged])) if asked else None
    chance = alike_by_chance(both, trained.groups + scored.groups) if both is not None else 0.0
    by_chance = chance > limit / max(1, len(scored))
    if by_chance:
        leaving = set()
    near = [pair for pair in near if pair[0] not in leaving]
    scored_near = sorted({pair[1] for pair in near})
    cannot_tell = len(scored_near) > limit and by_chance
    copied = {pair[0] for pair in exact if not has_test or (pair[0] in loose and pair[1] in audit)}
    report = LeakReport(
        exact=exact,
        near=near,
        scored=len(scored),
        judged=int(b.judged.sum()),
        not_judged=int((~b.judged).sum()),
        limit=limit,
        chance=chance,
        cannot_tell=cannot_tell,
        dropped=sorted(copied | leaving),
        dropped_near=len(leaving - copied),
        scored_near=scored_near,
    )
    fault = _fault(report, has_test)
    if fault and not data.transductive:
        raise LeakError(fault)
    return _with_sentence(report, transductive=fault is not None)


def near_groups(images: Witnesses) -> dict[str, str]:
    """New groups, by row id, for labelled rows that are copies or near-duplicates of each other: joined groups get one name.

    Rows that no copy joins are not named. Only exact copies are joined where random pairs of different groups look alike and joining
    those that do would leave a class in one group, or half of all rows: good parts in one fixture.
    """
    seen = prints(images.thumbs)
    copies = [(group[0], other) for group in groups_of_copies(images.traces) for other in group[1:]]
    near = [(i, j) for i, j, _ in near_pairs(seen, seen) if i < j]
    parts = _parts(images, copies + near)
    if near and not _leaves_folds(images, parts) and alike_by_chance(seen, images.groups) > LIMIT_SHARE:
        near, parts = [], _parts(images, copies)
    joined = {parts[i] for link in copies + near for i in link}
    least: dict[int, str] = {}
    for part, group in zip(parts, images.groups, strict=True):
        least[part] = min(group, least.get(part, group))
    return {row.id: f"{GROUP_OF_COPIES}{least[part]}" for row, part in zip(images.rows, parts, strict=True) if part in joined}


def _parts(images: Witnesses, links: list[tuple[int, int]]) -> list[int]:
    """For each image the number of the part that links and groups tie it to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ties = np.array(links + _equal_pairs(images.groups), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ties)), (ties[:, 0], ties[:, 1])), shape=(len(images), len(images)))
    return [int(part) for part in connected_components(graph, directed=False)[1]] if len(images) else []


def _leaves_folds(images: Witnesses, parts: list[int]) -> bool:
    """Whether every class keeps two parts and no part holds more than half of the rows."""
    per_class: dict[str | None, set[int]] = {}
    for row, part in zip(images.rows, parts, strict=True):
        per_class.setdefault(row.label, set()).add(part)
    return min(map(len, per_class.values())) > 1 and max(Counter(parts).values()) <= len(parts) / 2


def _equal_pairs(values: Sequence[str]) -> list[tuple[int, int]]:
    """Links between positions of equal values."""
    first: dict[str, int] = {}
    return [(first[value], i) for i, value in enumerate(values) if first.setdefault(value, i) != i]


def _limit(scored: int, data: Data) -> int:
    """How many scored images may have a near-duplicate."""
    if data.leak_limit == "auto":
        return max(ceil(LIMIT_SHARE * scored - 1e-9), LIMIT_ROWS)
    return int(data.leak_limit * scored)


def _fault(report: LeakReport, has_test: bool) -> str | None:
    left = [pair for pair in report.exact if pair[0] not in report.dropped]
    if left and has_test:
        one, other = left[0]
        more = f", and {len(left) - 1} more pairs" if len(left) > 1 else ""
        way = "Remove one, or set data.transductive=true to mark the report."
        return f"{one} is in the pool and {other} is scored (same content{more}). {way}"
    if len(report.scored_near) > report.limit and not report.cannot_tell:
        one, other, r = max(report.near, key=lambda pair: pair[2])
        return (
            f"{len(report.scored_near)} of {report.scored} scored images have a near-duplicate in the pool ({report.limit} are allowed), "
            f"such as {other} and {one} (r = {r:.3f}); {WAYS}."
        )
    return None


def _with_sentence(report: LeakReport, transductive: bool) -> LeakReport:
    parts = []
    copied = len(report.dropped) - report.dropped_near
    if report.exact:
        what = f"{copied} pool images were dropped: their content is scored." if copied else f"{len(report.exact)} exact copies."
        parts.append(what)
    else:
        parts.append(f"No exact copy among {report.scored} scored images.")
    if report.dropped_near:
        parts.append(f"{report.dropped_near} pool images were dropped: near-duplicates of audit images.")
    if report.cannot_tell:
        parts.append(
            f"Cannot tell near-duplicates here: {report.chance:.1%} of random pairs of different groups look as much alike. "
            "Give a `group` column (part, lot, patient) to keep relatives apart."
        )
    else:
        parts.append(f"{len(report.scored_near)} have a near-duplicate in the pool (r >= 0.97 in any of 8 poses; limit {report.limit}).")
    if report.not_judged:
        parts.append(f"{report.not_judged} have too little structure to be judged.")
    if transductive:
        parts.append("Transductive: scored images were trained on, so scores are too good.")
    return replace(report, transductive=transductive, sentence=" ".join(parts))


def _group(row: Row) -> str:
    return row.group if row.group is not None else f"row {row.id}"
