"""Rows of scenes become rows of windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.windows import glance, in_windows, window_of, windowed
from labelfree.domain import Row, Window

SCENE = Row("a/scene.tif", Path("a/scene.tif"))


@given(height=st.integers(1, 2000), width=st.integers(1, 2000), side=st.integers(16, 512))
def test_windows_lie_inside_and_reach_every_edge(height: int, width: int, side: int) -> None:
    found = in_windows([SCENE], lambda _: (height, width), side)
    windows = [row.window for row in found if row.window]
    assert len(windows) == len(found) == len({row.id for row in found})
    assert all(w.top >= 0 and w.left >= 0 and w.top + w.height <= height and w.left + w.width <= width for w in windows)
    assert len({(w.height, w.width) for w in windows}) == 1
    for length, ends in ((height, {(w.top, w.top + w.height) for w in windows}), (width, {(w.left, w.left + w.width) for w in windows})):
        shown = np.zeros(length, dtype=bool)
        for start, stop in ends:
            shown[start:stop] = True
        assert (~shown).sum() <= max(0, side / 8), "a strip is never shown"


def test_a_window_belongs_to_its_scene_and_other_rows_stay() -> None:
    labelled, small = replace(SCENE, id="b", label="water"), replace(SCENE, id="c")
    found = in_windows([SCENE, labelled, small], lambda row: None if row.id == "c" else (512, 280), 256)
    assert [row.id for row in found] == ["a/scene.tif#0,12,256x256", "a/scene.tif#256,12,256x256", "b", "c"]
    assert [row.group for row in found] == ["a/scene.tif", "a/scene.tif", None, None]
    assert in_windows([replace(SCENE, group="march")], lambda _: (512, 512))[0].group == "march"


def test_a_window_that_a_table_names_is_not_made_twice() -> None:
    water = replace(windowed(SCENE, Window((0, 12), (256, 256))), label="water")
    found = in_windows([water, SCENE], lambda row: (512, 280), 256)
    assert [(row.id, row.label) for row in found] == [("a/scene.tif#0,12,256x256", "water"), ("a/scene.tif#256,12,256x256", None)]


@given(st.lists(st.tuples(st.integers(0, 99_999), st.integers(1, 9_999)), min_size=2, max_size=3))
def test_the_name_of_a_window_tells_which_it_is(sides: list[tuple[int, int]]) -> None:
    scene = Path(__file__)
    window = Window(tuple(start for start, _ in sides), tuple(size for _, size in sides))
    named = windowed(Row(scene.name, scene), window).id
    assert window_of(scene.with_name(named)) == (scene, window)


@pytest.mark.parametrize("part", ["", "#", "#3", "#0,0", "#0,0,4", "#0,0,4x4x4", "#images[3]", "#0,0,4x4.tif", "#-1,0,4x4"])
def test_other_names_are_no_windows(part: str) -> None:
    assert window_of(Path(f"{__file__}{part}")) is None
    assert window_of(Path("nowhere.tif#0,0,4x4")) is None


def test_a_glance_is_the_middle() -> None:
    assert glance(SCENE, lambda _: (1000, 800)).window == Window((372, 272), (256, 256))
    assert glance(SCENE, lambda _: None) is SCENE


def test_too_many_windows_are_drawn_from_every_scene() -> None:
    scenes = [replace(SCENE, id=name, path=Path(name)) for name in "abc"]
    said: list[str] = []
    found = in_windows(scenes, lambda row: (10_240, 10_240) if row.id != "c" else (512, 512), 256, most=320, tell=said.append)
    counts = [sum(row.path.name == name for row in found) for name in "abc"]
    assert counts == [160, 160, 1] and len({row.id for row in found}) == 321
    assert said == ["3,204 windows in 3 scenes: 10.0% of each scene's are drawn at random."]
    again = in_windows(scenes, lambda row: (10_240, 10_240) if row.id != "c" else (512, 512), 256, most=320)
    assert again == found, "the draw changed"
    assert [row.window for row in found if row.path.name == "a"] == [row.window for row in found if row.path.name == "b"], "dates miss"
    tops = [row.window.top for row in found if row.window and row.path.name == "a"]
    assert tops == sorted(tops) and max(tops) > 8000


def test_a_volume_is_read_in_windows_too() -> None:
    found = in_windows([SCENE], lambda _: (40, 300, 200), (20, 200, 200))
    assert [row.id for row in found] == [f"a/scene.tif#{first},{top},0,20x200x200" for first in (0, 20) for top in (0, 100)]
    assert {row.window.size for row in in_windows([SCENE], lambda _: (40, 300, 200)) if row.window} == {(40, 96, 96)}
    assert glance(SCENE, lambda _: (40, 300, 200)).window == Window((0, 102, 52), (40, 96, 96))
