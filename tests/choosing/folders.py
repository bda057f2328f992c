"""Folders of generated features for the strategies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from labelfree.choosing import Candidates


def folder(
    n: int,
    labelled: Sequence[int] = (),
    *,
    groups: Sequence[int] | None = None,
    closed: Sequence[int] = (),
    seed: int = 0,
    width: int = 6,
    classes: int = 3,
    too_like: Callable[[int, Sequence[int]], int | None] | None = None,
) -> Candidates:
    """`n` images around four middles, with a head's class scores."""
    generator = np.random.default_rng(seed)
    middles = 2 * np.random.default_rng(7).normal(size=(4, width))
    features = (middles[generator.integers(0, 4, n)] + generator.normal(size=(n, width))).astype(np.float32)
    open_rows = np.ones(n, bool)
    open_rows[list(closed)] = False
    return Candidates(
        features=features,
        groups=np.arange(n) if groups is None else np.asarray(groups),
        open=open_rows,
        labelled=np.asarray(labelled, np.int64),
        codes=np.arange(len(labelled)) % classes,
        outputs=generator.dirichlet(np.ones(classes), n),
        classes=tuple("abcdefgh"[:classes]),
        **({} if too_like is None else {"too_like": too_like}),
    )


def copies_of(kinds: Sequence[int]) -> Callable[[int, Sequence[int]], int | None]:
    """Images of one kind are near-duplicates."""
    return lambda candidate, others: next((int(other) for other in others if kinds[other] == kinds[candidate]), None)


@st.composite
def folders(draw: st.DrawFn, copies: bool = False) -> Candidates:
    """Any small folder: some rows closed, some labelled, in few groups; with `copies`, many near-duplicates."""
    n = draw(st.integers(1, 40))
    fate = draw(st.lists(st.sampled_from(["open", "open", "closed", "labelled", "labelled and open"]), min_size=n, max_size=n))
    kinds = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    return folder(
        n,
        [row for row in range(n) if "labelled" in fate[row]],
        groups=draw(st.lists(st.integers(-2, 3), min_size=n, max_size=n)),
        closed=[row for row in range(n) if "open" not in fate[row]],
        seed=draw(st.integers(0, 5)),
        too_like=copies_of(kinds) if copies else None,
    )
