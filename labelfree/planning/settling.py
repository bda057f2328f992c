"""Keys of the reader that a set of images settles, and none of its files alone: looked for before the set is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from labelfree.data.pool import at_even_steps, read_in_order
from labelfree.data.windows import glance, lenient
from labelfree.domain import Default, Domain, Row, Sample, Settles, extent_of
from labelfree.planning.sampled_images import open_rows

FEW = 32  # images decoded


def settled(domain: Domain, rows: Sequence[Row]) -> Mapping[str, Default]:
    """Keys that these rows settle, each with the reason; none of a domain that knows none. Dev and test rows are never opened."""
    looked_at = open_rows(rows)
    if not isinstance(domain, Settles) or not looked_at:
        return {}
    extent = lenient(extent_of(domain))
    chosen = [glance(row, extent) for row in at_even_steps(looked_at, FEW)]
    return domain.settling(sample for _, sample in read_in_order(domain.read, chosen) if isinstance(sample, Sample))


def in_words(keys: Mapping[str, Default]) -> Iterator[str]:
    """A sentence for each key."""
    return (f"reader.{key}={default.value}: {default.reason}." for key, default in keys.items())
