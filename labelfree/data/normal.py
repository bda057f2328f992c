"""Which images show something as it should be: good parts, healthy cases, what an anomaly is told from."""

from __future__ import annotations

from labelfree.domain import Row


def is_normal(row: Row) -> bool | None:
    """Whether the row's owner says that nothing is wrong with it (True) or that something is (False); None where nobody said."""
    if row.normal is not None:
        return row.normal
    if row.listed is None:
        return None
    return True if row.listed.negative else False if row.listed.objects else None
