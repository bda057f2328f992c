"""Folders whose names say that their images belong together: they are no classes, and group what lies in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from labelfree.data.structure import Parts
from labelfree.domain import Domain, NamesGroups, Row


def level_of_groups(levels: Sequence[Parts], domain: Domain) -> int | None:
    """The depth at which the folders of all files are called as groups are, two or more of them; None where there is none."""
    if not isinstance(domain, NamesGroups):
        return None
    for depth in range(min(map(len, levels), default=0)):
        names = {level[depth] for level in levels}
        if len(names) > 1 and all(map(domain.names_group, names)):
            return depth
    return None


def named_groups(rows: Sequence[Row], domain: Domain) -> dict[str, str]:
    """Row id -> the name of the outermost folder that is called as a group is, of rows without a group; none where all would be one."""
    if not isinstance(domain, NamesGroups):
        return {}
    folders = {row.id: PurePosixPath(row.id).parts[:-1] for row in rows if row.group is None and row.item is None and row.remote is None}
    groups = {name for name in {name for names in folders.values() for name in names} if domain.names_group(name)}
    chains = {identity: inner for identity, names in folders.items() if (inner := [name for name in names if name in groups])}
    while chains and len({chain[0] for chain in chains.values()}) == 1:  # one that holds all says nothing
        chains = {identity: chain[1:] for identity, chain in chains.items() if len(chain) > 1}
    return {identity: chain[0] for identity, chain in chains.items()}
