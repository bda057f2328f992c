"""Where images lie on the ground: blocks that stand in for groups, and overlaps that would leak (docs/protocol.md, 1 and 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from labelfree.data.blocks import Blocks
from labelfree.data.overlaps import Ground
from labelfree.domain import Place, Row

GROUP_OF_COPIES = "alike "  # begins the names of groups that near-duplicates form; then the least group or "row ID" in it
SHARED = 0.25  # of the smaller one's ground, from which two labelled images must not be parted
TOUCH = 0.01  # neighbours of one tiling may share a sliver of this much of the smaller one


def spatial_groups(
    rows: Sequence[Row], places: Mapping[str, Place], enough: Callable[[dict[str, str]], bool] = lambda groups: True
) -> tuple[dict[str, str], list[str]]:
    """The spatial block of each row that has a place and no group of its owner's, by row id, and sentences for the report.

    A block is 16 median patches wide, at least 1 km; rows that share a quarter of their ground stand in one, whatever lies between. Where
    that leaves too few blocks (`enough` says so), the side is halved, down to one patch, and at last rows may be parted all the same.
    """
    loose = [row for row in rows if row.group is None or row.group == row.place or row.group.startswith(f"{GROUP_OF_COPIES}row ")]
    placed = {row.id: places[row.id] for row in loose if row.id in places}
    if not placed:
        return {}, []
    asked = Blocks.over(list(placed.values()))
    shared = _pairs_sharing_ground(placed)
    groups, blocks = _halved_blocks(loose, placed, asked, shared, enough)
    if shared and not enough(groups):
        groups, blocks = _halved_blocks(loose, placed, asked, [], enough)
    parted = sum(pairs for a, b, pairs in shared if groups[a] != groups[b])
    notes = [f"No groups are given: blocks of {blocks} on the ground are used as groups ({len(set(groups.values()))} blocks)."]
    if blocks is not asked:
        notes.append(f"Blocks of {asked} would leave a class in one block, so that neighbours may still resemble each other.")
    if parted:
        notes.append(f"{parted} pairs of labelled images share ground and may be parted by folds: scores may be a little too good.")
    return groups, notes


def _halved_blocks(
    rows: Sequence[Row],
    placed: Mapping[str, Place],
    blocks: Blocks,
    shared: Sequence[tuple[str, str, int]],
    enough: Callable[[dict[str, str]], bool],
) -> tuple[dict[str, str], Blocks]:
    """The blocks, halved until there are enough or they are one patch wide: of each row its block, and how large they are."""
    groups = _tied_blocks(rows, dict(zip(placed, blocks.names(), strict=True)), shared)
    while not enough(groups) and (half := blocks.smaller()) is not None:
        blocks = half
        groups = _tied_blocks(rows, dict(zip(placed, blocks.names(), strict=True)), shared)
    return groups, blocks


def _pairs_sharing_ground(placed: Mapping[str, Place]) -> list[tuple[str, str, int]]:
    """Row ids of places that share at least `SHARED` of the smaller one's ground, and how many pairs of rows lie at the two.

    Rows of the very same place stand in one block anyhow.
    """
    at = _by_place(placed)
    ids = list(at.values())
    every, sharing = np.arange(len(at)), []
    for i, j, common, first, second in Ground.of(list(at)).sharing(every, every):
        kept = (i < j) & (common >= SHARED * np.minimum(first, second))
        sharing += [(ids[a][0], ids[b][0], len(ids[a]) * len(ids[b])) for a, b in zip(i[kept].tolist(), j[kept].tolist(), strict=True)]
    return sharing


def overlapping(rows: Sequence[Row], others: Sequence[Row], places: Mapping[str, Place]) -> set[str]:
    """Ids of those `rows` that show ground which one of `others` shows too, on whatever date."""
    mine = _by_place({row.id: places[row.id] for row in rows if row.id in places})
    theirs = list(_by_place({row.id: places[row.id] for row in others if row.id in places}))
    ground, ids = Ground.of([*mine, *theirs]), list(mine.values())
    shown_twice: set[str] = set()
    for i, _, common, first, second in ground.sharing(np.arange(len(mine)), np.arange(len(mine), len(mine) + len(theirs))):
        for place in np.unique(i[common > TOUCH * np.minimum(first, second)]).tolist():
            shown_twice.update(ids[place])
    return shown_twice


def _by_place(placed: Mapping[str, Place]) -> dict[Place, list[str]]:
    """The row ids at each place, in their order."""
    at_place: dict[Place, list[str]] = defaultdict(list)
    for identity, place in placed.items():
        at_place[place].append(identity)
    return at_place


def _tied_blocks(rows: Sequence[Row], block: Mapping[str, str], shared: Sequence[tuple[str, str, int]]) -> dict[str, str]:
    """The block of each row id; blocks that near-duplicates or `shared` ground tie together are one."""
    leader: dict[str, str] = {}

    def lead(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    ties_of_copies = [(row.group, block.get(row.id, row.group)) for row in rows if row.group is not None]
    for first, second in (*ties_of_copies, *((block[a], block[b]) for a, b, _ in shared)):
        one, other = sorted((lead(first), lead(second)))
        leader[other] = one
    ties = {row.id: block.get(row.id) or row.group for row in rows}
    return {identity: lead(name) for identity, name in ties.items() if name is not None}
