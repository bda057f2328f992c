"""Segments of one file become one number a voxel, and nothing of what was drawn is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from labelfree_medical.masks.grids import Grid
from labelfree_medical.masks.segments import Names, Segment, Segments, class_numbers

SIZE = (2, 3, 2)
layers = st.integers(1, 3).flatmap(lambda count: arrays(np.int32, (count, *SIZE), elements=st.integers(0, 3)))


@st.composite
def drawn(draw: st.DrawFn) -> Segments:
    """Some of the values of some layers are segments, two of which may bear one name."""
    held = draw(layers)
    places = draw(st.lists(st.tuples(st.integers(0, len(held) - 1), st.integers(1, 3)), unique=True, max_size=6))
    names = draw(st.lists(st.sampled_from("abcd"), min_size=len(places), max_size=len(places)))
    each = [Segment(number, name, *place) for number, (name, place) in enumerate(zip(names, places, strict=True), start=1)]
    return Segments(held, tuple(each), Grid(SIZE))


@given(drawn())
def test_a_voxel_s_number_names_all_segments_there(segments: Segments) -> None:
    names = class_numbers([segments.names])
    shown = segments.numbered(Path("a.seg.nrrd"), {name: number for number, name in names.items()})
    for place in np.ndindex(*SIZE):
        there = {each.name for each in segments.each if segments.layers[(each.layer, *place)] == each.value}
        assert names.get(int(shown[place]), "") == " + ".join(sorted(there))


def test_files_that_agree_keep_their_numbers_and_others_are_counted_by_name() -> None:
    assert class_numbers([Names({4: "liver"}), Names({2: "spleen", 4: "liver"})]) == {2: "spleen", 4: "liver"}
    assert class_numbers([Names({1: "liver"}), Names({1: "spleen"})]) == {1: "liver", 2: "spleen"}
    assert class_numbers([Names({1: "liver"}), Names({2: "liver"})]) == {1: "liver"}
    assert class_numbers([Names({1: "liver", 2: "cyst"}, frozenset({"cyst + liver"}))]) == {1: "liver", 2: "cyst", 3: "cyst + liver"}
    assert class_numbers([]) == {}
