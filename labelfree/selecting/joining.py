"""Groups that links between images tie together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def joined(groups: Sequence[str], links: Iterable[tuple[int, int]]) -> list[str]:
    """The group of each image where linked positions are of one; such groups take the name of the least among them."""
    leader: dict[str, str] = {}

    def lead(group: str) -> str:
        while group in leader:
            group = leader[group]
        return group

    for first, other in links:
        one, second = sorted((lead(groups[first]), lead(groups[other])))
        if one != second:
            leader[second] = one
    return [lead(group) for group in groups]
