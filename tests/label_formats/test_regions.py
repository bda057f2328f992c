"""Outlines and run lengths, against pycocotools' format written out by hand and pixels counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from faster_coco_eval.core import mask as peer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from labelfree.data.label_formats.regions import Outline, Runs, ellipse, rectangle, turned

PIXELS = st_numpy.arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


def by_columns(pixels: np.ndarray) -> list[int]:
    """Lengths of runs outside and inside in turn down the columns, one pixel after the other."""
    lengths, inside = [0], False
    for pixel in pixels.T.reshape(-1):
        if bool(pixel) is not inside:
            inside = not inside
            lengths.append(0)
        lengths[-1] += 1
    return lengths


def text_of(lengths: list[int]) -> bytes:
    """COCO's text of run lengths: five bits a sign and one that says whether more follow."""
    signs = []
    for place, length in enumerate(lengths):
        number, more = length - (lengths[place - 2] if place > 2 else 0), True
        while more:
            bits, number = number & 31, number >> 5
            more = number != (-1 if bits & 16 else 0)
            signs.append(48 + (bits | 32 if more else bits))
    return bytes(signs)


@given(PIXELS)
def test_run_lengths_of_every_kind_hold_the_same_pixels(pixels: np.ndarray) -> None:
    height, width = pixels.shape
    lengths = by_columns(pixels)
    for runs in (
        Runs.of(pixels),
        Runs.from_list(height, width, lengths),
        Runs.from_text(height, width, text_of(lengths)),
        Runs.from_text(height, width, peer.encode(np.asfortranarray(pixels, np.uint8))["counts"]),
        Runs.at(pixels, 0, 0, height, width),
    ):
        assert np.array_equal(runs.mask(height, width), pixels)
        assert runs.counts == text_of(lengths)


@given(PIXELS, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_a_patch_lies_at_its_place(pixels: np.ndarray, left: int, top: int, right: int, below: int) -> None:
    (down, across), picture = pixels.shape, np.pad(pixels, ((top, below), (left, right)))
    assert np.array_equal(Runs.at(pixels, left, top, *picture.shape).mask(*picture.shape), picture)
    if left:
        with pytest.raises(ValueError, match="leaves its picture"):
            Runs.at(pixels, -1, top, *picture.shape)
    with pytest.raises(ValueError, match="leaves its picture"):
        Runs.at(pixels, left, top, top + down - 1, left + across)


@given(PIXELS)
def test_the_box_of_run_lengths_is_that_of_their_pixels(pixels: np.ndarray) -> None:
    rows, columns = np.nonzero(pixels)
    box = Runs.of(pixels).box
    assert box == ((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None)


@given(st.lists(st.integers(-2, 40), min_size=1, max_size=8), st.integers(1, 9), st.integers(0, 2))
def test_a_text_is_taken_only_if_it_holds_a_picture(lengths: list[int], height: int, more: int) -> None:
    """The library decodes whatever it is given, beyond its buffer too."""
    width = max(sum(lengths), 0) // height
    fits = min(lengths) >= 0 and sum(lengths) == height * width > 0 and not more
    counts = text_of(lengths) + b"o" * more
    if not fits:
        with pytest.raises(ValueError, match="has run lengths"):
            Runs.from_text(height, width, counts)
        return
    runs = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    assert np.array_equal(Runs.from_text(height, width, counts).mask(height, width), runs.reshape(width, height).T)


@pytest.mark.parametrize("counts", [b"", b"o", b"ooooooooo", b"o" * 100_000, b"\x7f", b"1 1", "é".encode(), b"0", b"P"])
def test_a_text_that_is_cut_off_or_none_is_refused(counts: bytes) -> None:
    with pytest.raises(ValueError, match="has run lengths"):
        Runs.from_text(4, 5, counts)


@pytest.mark.parametrize(
    ("height", "width", "lengths"), [(4, 5, [19]), (4, 5, [21]), (4, 5, [-1, 21]), (4, 5, []), (0, 5, [0]), (2**16, 2**16, [2**32])]
)
def test_a_list_of_another_size_is_refused(height: int, width: int, lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="has run lengths"):
        Runs.from_list(height, width, lengths)


CORNER = st.tuples(st.floats(-30, 60), st.floats(-30, 60))
RING = st.lists(CORNER, min_size=3, max_size=7).map(lambda corners: np.array(corners, float))


@given(st.lists(RING, min_size=1, max_size=3))
def test_outlines_become_the_pixels_that_coco_makes_of_them(rings: list[np.ndarray]) -> None:
    """Several polygons of one object are joined, never cut out of each other."""
    mask = Outline(tuple(rings)).mask(24, 30)
    one_by_one = [peer.decode(peer.merge(peer.frPyObjects([ring.reshape(-1).tolist()], 24, 30))) for ring in rings]
    assert np.array_equal(mask, np.any(one_by_one, axis=0))


@given(st.lists(RING, min_size=1, max_size=2))
def test_cutting_off_what_lies_far_away_leaves_the_pixels(rings: list[np.ndarray]) -> None:
    whole, cut = Outline(tuple(rings)), Outline(tuple(rings)).cut(14, 12)
    difference = whole.mask(12, 14) != cut.mask(12, 14)
    edge = np.zeros_like(difference)
    for ring in rings:  # corners move by rounding: pixels on an outline may
        steps = np.linspace(0, 1, 400)[:, None]
        for first, second in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            x, y = (first + steps * (second - first)).T
            for shift in (-1, 0, 1):
                for rise in (-1, 0, 1):
                    column, row = np.floor(x).astype(int) + shift, np.floor(y).astype(int) + rise
                    held = (column >= 0) & (column < 14) & (row >= 0) & (row < 12)
                    edge[row[held], column[held]] = True
    assert not (difference & ~edge).any()


def test_an_outline_a_million_pixels_wide_is_drawn_at_once() -> None:
    vast = Outline((np.array([(-1e6, -1e6), (1e6, -1e6), (1e6, 1e6), (-1e6, 1e6)]),)).cut(14, 12)
    assert vast.mask(12, 14).all() and max(map(abs, vast.box or ())) <= 28
    beside = Outline((np.array([(-1e6, 5), (-1e5, 5), (-1e5, 9)]),)).cut(14, 12)
    assert not beside.mask(12, 14).any()


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, -90, 450])
def test_quarter_turns_are_clockwise(degrees: int) -> None:
    """A box of 4 x 2 about (10, 10); its upper left corner goes to the upper right at 90 degrees."""
    corner = {0: (8, 9), 90: (11, 8), 180: (12, 11), 270: (9, 12)}[degrees % 360]
    ring = turned(rectangle(8, 9, 12, 11), (10, 10), degrees).rings[0]
    assert np.allclose(ring[0], corner)


def test_a_turned_box_has_the_corners_computed_by_hand() -> None:
    """30 degrees about (20, 20): x' = 20 + dx cos 30 - dy sin 30, y' = 20 + dx sin 30 + dy cos 30, as y points down."""
    ring = turned(rectangle(10, 15, 30, 25), (20, 20), 30).rings[0]
    right = [(13.8397, 10.6699), (31.1603, 20.6699), (26.1603, 29.3301), (8.8397, 19.3301)]
    assert np.allclose(ring, right, atol=1e-4)


@given(st.floats(3, 40), st.floats(3, 40), st.floats(0, 360))
def test_an_ellipse_has_its_area(across: float, down: float, degrees: float) -> None:
    mask = ellipse(50, 50, across, down, degrees).mask(100, 100)
    assert mask.sum() == pytest.approx(np.pi * across * down, rel=0.02, abs=2 * (across + down))


@pytest.mark.parametrize(
    ("corners", "straight"),
    [
        ([(0, 0), (5, 5), (9, 9)], True), ([(3, 3), (3, 3), (3, 3)], True), ([(0, 0), (5, 5), (9, 9.01)], False),
        ([(0, 0), (9, 9), (9, 0), (0, 9)], False), ([(1e5, 1e5), (1e5 + 1, 1e5), (1e5, 1e5 + 1)], False),
    ],
)  # fmt: skip
def test_what_is_straight_encloses_nothing(corners: list[tuple[float, float]], straight: bool) -> None:
    assert Outline((np.array(corners, float),)).straight is straight
