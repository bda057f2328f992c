"""Keys that a set settles: asked of domains that know some, by images that may be opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from labelfree.domain import Default, Row, Sample
from labelfree.errors import DataError
from labelfree.planning.settling import FEW, in_words, settled


class Counting:
    """Knows one key: how many images it was shown."""

    def read(self, row: Row) -> Sample:
        if row.id == "broken":
            raise DataError("broken: is truncated.")
        return Sample(torch.zeros(1, 2, 2), ("gray",), (1.0,), (0.0,), "stored", source=row.id)

    def settling(self, samples: Iterable[Sample]) -> Mapping[str, Default]:
        names = [sample.source for sample in samples]
        return {"seen": Default(names, f"{len(names)} were shown")}


def rows(*names: str, split: str = "") -> list[Row]:
    return [Row(name, Path(name), split=split) for name in names]


def test_scored_rows_are_not_opened_and_broken_ones_left_out() -> None:
    keys = settled(Counting(), [*rows("a", "broken", "b"), *rows("c", split="dev"), *rows("d", split="test")])
    assert keys["seen"].value == ["a", "b"]
    assert list(in_words(keys)) == ["reader.seen=['a', 'b']: 2 were shown."]


def test_a_large_set_is_looked_at_here_and_there() -> None:
    seen = settled(Counting(), rows(*map(str, range(1000))))["seen"].value
    assert len(seen) == FEW and seen[0] == "0" and seen[-1] == "999"


def test_other_domains_and_empty_sets_settle_nothing() -> None:
    assert settled(object(), rows("a")) == {} and settled(Counting(), rows("a", split="test")) == {}
