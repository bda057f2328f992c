"""The audit: images drawn at random to be scored on, in groups of their own (docs/protocol.md, 20)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from math import ceil

from labelfree.errors import DataError

SHARE = 0.2  # of the groups that an audit comes from: no few large ones make it up, and four in five stay to be chosen from


def draw_audit(ids: Sequence[str], groups: Sequence[str], count: int, seed: int) -> list[int]:
    """Positions of `count` images drawn at random, in the order they are drawn. `ids`, `groups`: of each image that may be.

    First groups, in the order of a hash, until they are a fifth of all groups (two, where there are three) and hold `count` images; then
    images of these, all equally likely. Where few groups are drawn, an image of a large one is a little less likely than one of a small
    one, as in any ratio estimate; that falls with their number. The draw depends on names and `seed` alone, on no feature and no
    order of rows. Raises DataError where there are fewer images.
    """
    if count > len(ids):
        left = "images without a label, in groups without one, are left"
        few = f"only {len(ids):,} {left}; lower it." if ids else f"no {left}; add images, or score on labelled ones with split=test."
        raise DataError(f"--audit {count}: {few}")
    members: dict[str, list[int]] = defaultdict(list)
    for position, group in enumerate(groups):
        members[group].append(position)
    enough = max(ceil(SHARE * len(members)), min(2, len(members) - 1))
    drawn: list[int] = []
    for number, group in enumerate(sorted(members, key=lambda group: _hash("audit group", seed, group))):
        if len(drawn) >= count and number >= enough:
            break
        drawn += members[group]
    return sorted(drawn, key=lambda position: _hash("audit image", seed, ids[position]))[:count]


def _hash(*parts: object) -> bytes:
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).digest()
