"""Which scored images are shown: each once, those that show nothing of what is looked for apart."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelfree.pipeline.segment_pictures import EACH, chosen


def test_best_middle_and_worst_are_by_score() -> None:
    scores = np.array([0.5, 0.9, 0.1, 0.7, 0.3, np.nan, 1.0, 0.2])
    empty = np.array([0, 0, 0, 0, 0, 0, 1, 1], bool)
    assert chosen(scores, empty) == [
        ("best", 1), ("best", 3), ("middle", 0), ("worst", 2), ("worst", 4), ("empty", 7), ("empty", 6)
    ]  # fmt: skip


@given(st.lists(st.tuples(st.one_of(st.floats(0, 1), st.just(np.nan)), st.booleans()), max_size=12))
def test_no_image_is_shown_twice_and_order_is_kept(images: list[tuple[float, bool]]) -> None:
    scores, empty = np.array([score for score, _ in images]), np.array([nothing for _, nothing in images], bool)
    found = chosen(scores, empty)
    places = [at for _, at in found]
    assert len(set(places)) == len(places)
    of = {kind: [at for each, at in found if each == kind] for kind in ("best", "middle", "worst", "empty")}
    assert all(len(each) <= EACH for each in of.values())
    assert all(empty[at] == (kind == "empty") for kind, at in found)
    ranked = sorted(scores[np.isfinite(scores) & ~empty])
    assert len(of["best"] + of["middle"] + of["worst"]) == min(3 * EACH, len(ranked))
    if ranked:
        assert scores[of["best"][0]] == ranked[-1]
    if len(ranked) > 1:
        assert scores[of["worst"][0]] == ranked[0]
    assert len(of["empty"]) == min(EACH, int(empty.sum()))
