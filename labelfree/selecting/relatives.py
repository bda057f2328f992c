"""Images that go with those of an audit: of their groups, copies and near-duplicates. Neither learnt from nor asked about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labelfree.data.ground import GROUP_OF_COPIES
from labelfree.data.same_values import groups_of_copies
from labelfree.selecting.images import Images
from labelfree.selecting.joining import joined


def with_relatives(images: Images, audit: Sequence[int], near: Iterable[tuple[int, int]]) -> dict[int, str | None]:
    """The group of each image of the `audit` as a table must name it, and of each free image that is to stay with one of them.

    `near`: pairs of positions that are near-duplicates. Groups that copies tie together are one, under a name of its own. A run that
    takes the table keeps all of them out of what it pretrains on, without having to know what `select` knew.
    """
    own = [row.group if row.group is not None and row.group != row.place else f"row {row.id}" for row in images.rows]
    copies = [(first, other) for first, *others in groups_of_copies(images.pool.index.traces) for other in others]
    one = joined(own, [*copies, *near])
    tied = {one[at] for at in range(len(own)) if one[at] != own[at]}
    kept = {one[at] for at in audit}
    others = sorted(set(images.free) - set(audit))

    def name(at: int) -> str | None:
        return f"{GROUP_OF_COPIES}{one[at]}" if one[at] in tied else images.rows[at].group

    return {at: name(at) for at in [*audit, *(at for at in others if one[at] in kept)]}
