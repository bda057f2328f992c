"""Slices make a volume by their positions alone, and say why where they make none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from highdicom.spatial import get_volume_positions
from highdicom.volume import Volume
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_medical.dicom.slices import Slice
from labelfree_medical.dicom.volumes import Unsound, grid_of
from scipy.spatial.transform import Rotation

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def stack(positions, orientation=(1, 0, 0, 0, 1, 0), spacing=(0.8, 0.7)) -> list[Slice]:
    return [Slice(Path(f"{number}"), 0, 6, 5, tuple(place), tuple(orientation), spacing) for number, place in enumerate(positions)]


def axial(*heights: float) -> list[Slice]:
    return stack([(-10.0, -20.0, z) for z in heights])


@st.composite
def stacks(draw) -> tuple[list[Slice], np.ndarray, list[int]]:
    """A shuffled regular stack of any orientation, the directions of its axes, and its true order."""
    turn = Rotation.from_euler("xyz", draw(st.lists(st.floats(-180, 180), min_size=3, max_size=3)), degrees=True).as_matrix()
    distance, count = draw(st.floats(0.3, 10)), draw(st.integers(2, 20))
    origin = np.array(draw(st.lists(st.floats(-500, 500), min_size=3, max_size=3)))
    order = draw(st.permutations(range(count)))
    places = [origin + place * distance * turn[:, 2] for place in order]
    return stack(places, [*turn[:, 0], *turn[:, 1]]), distance * turn[:, 2], list(order)


@given(stacks())
@settings(max_examples=60, deadline=None)
def test_the_grid_is_highdicoms(made) -> None:
    slices, _, order = made
    grid = grid_of(slices)
    assert [order[number] for number in grid.order] == sorted(order)
    spacing, positions = get_volume_positions([each.position for each in slices], slices[0].orientation)
    last = len(slices) - 1  # highdicom stacks against the normal
    assert positions == [last - grid.order.index(number) for number in range(len(slices))]
    assert grid.spacing == pytest.approx((spacing, 0.8, 0.7), rel=1e-4)
    top = slices[grid.order[-1]]
    witness = Volume.from_attributes(
        array=np.zeros((len(slices), 6, 5)), image_position=top.position, image_orientation=top.orientation, pixel_spacing=(0.8, 0.7),
        spacing_between_slices=spacing, coordinate_system="PATIENT",
    )  # fmt: skip
    turned = np.array([[-1, 0, 0, last], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(grid.affine, LPS_TO_RAS @ witness.affine @ turned, atol=1e-3)


@given(st.lists(st.floats(-300, 300).map(lambda z: round(z, 1)), min_size=3, max_size=12))
@settings(max_examples=100, deadline=None)
def test_what_highdicom_refuses_is_refused(heights) -> None:
    slices = axial(*heights)
    distance = (max(heights) - min(heights)) / (len(heights) - 1)
    atol = max(0.151, 0.02 * distance)  # more than tenths of mm, rounded, and the hundredth of the distance that slices may differ by
    _, positions = get_volume_positions([each.position for each in slices], slices[0].orientation, atol=atol)
    if positions is None:
        with pytest.raises(Unsound):
            grid_of(slices)


@pytest.mark.parametrize(
    ("heights", "said"),
    [
        ((30, 32.5, 35, 40, 42.5), r"a slice is missing between 35 and 40 mm \(5 mm apart, all others 2.5 mm\)"),
        ((30, 32.5, 37.5), "a slice is missing between 32.5 and 37.5 mm"),
        ((42.5, 30, 40, 35, 32.5), "a slice is missing between 35 and 40 mm"),
        ((0, 2, 4, 8, 10, 16, 18, 20), "3 slices are missing, the first between 4 and 8 mm"),
        ((0, 2, 4, 4, 6), "two slices lie at 4 mm"),
        ((0, 2, 4, 6.6, 8.6), "2 to 2.6 mm apart: no regular spacing"),
        ((0, 1, 2, 3, 5, 7, 9, 11), "missing|no regular spacing"),
    ],
)
def test_what_is_wrong_is_said(heights, said) -> None:
    with pytest.raises(Unsound, match=said):
        grid_of(axial(*heights))


def test_a_tilted_gantry_is_refused_with_its_angle() -> None:
    leaning = stack([(0, z * np.tan(np.radians(12)), z) for z in range(0, 20, 2)])
    with pytest.raises(Unsound, match=r"lean by 12\.0°"):
        grid_of(leaning)


def test_slices_shifted_sideways_are_refused() -> None:
    with pytest.raises(Unsound, match="shifted sideways"):
        grid_of(stack([(0, 0, 0), (3, 0, 2), (-3, 0, 4), (0, 0, 6)]))


@pytest.mark.parametrize("orientation", [(0, 0, 0, 0, 0, 0), (1, 0, 0, 1, 0, 0), (2, 0, 0, 0, 1, 0)])
def test_a_broken_orientation_is_refused(orientation) -> None:
    with pytest.raises(Unsound, match="orientation is broken"):
        grid_of(stack([(0, 0, 0), (0, 0, 2)], orientation))


def test_pixels_without_a_size_are_refused() -> None:
    with pytest.raises(Unsound, match="PixelSpacing"):
        grid_of(stack([(0, 0, 0), (0, 0, 2)], spacing=None))


@given(st.floats(0.4, 5), st.integers(3, 40), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_positions_of_two_decimals_and_rounded_cosines_are_no_fault(distance, count, seed) -> None:
    random = np.random.default_rng(seed)
    slices = [
        Slice(
            Path(str(k)),
            0,
            6,
            5,
            (-10.0, -20.0, round(k * distance, 2)),
            tuple(np.add((1, 0, 0, 0, 1, 0), random.normal(0, 1e-5, 6))),
            (1, 1),
        )
        for k in range(count)
    ]
    assert grid_of(slices).spacing[0] == pytest.approx(distance, abs=0.011)


@st.composite
def rounded_stacks(draw) -> tuple[np.ndarray, list[float], float, int]:
    """Positions (n, 3) of a regular stack of any orientation, its directions, distance of slices, and decimals to write."""
    turn = Rotation.from_euler("xyz", draw(st.lists(st.floats(-180, 180), min_size=3, max_size=3)), degrees=True).as_matrix()
    decimals = draw(st.integers(1, 3))
    distance = draw(st.one_of(st.sampled_from([0.625, 1.25, 0.8333, 0.9375, 3.27]), st.floats(0.6, 10)))
    distance = max(distance, 4 * 10.0**-decimals * np.abs(turn[:, 2]).sum() * 1.01)  # nearer ones may be lost among their rounding
    places = draw(st.floats(-500, 500)) + np.arange(draw(st.integers(3, 60)))[:, None] * distance * turn[:, 2]
    return places, [*turn[:, 0], *turn[:, 1]], distance, decimals


@given(rounded_stacks())
@settings(max_examples=50, deadline=None)
def test_positions_are_regular_within_the_digits_that_are_written(made) -> None:
    places, directions, distance, decimals = made
    grid = grid_of(stack(places.round(decimals), directions))
    assert list(grid.order) == list(range(len(places)))
    assert grid.spacing[0] == pytest.approx(distance, abs=10.0**-decimals * np.sqrt(3) / (len(places) - 1))  # from first to last


@given(rounded_stacks(), st.data())
@settings(max_examples=50, deadline=None)
def test_no_rounding_hides_a_slice_that_is_missing_twice_there_or_out_of_place(made, data) -> None:
    places, directions, distance, decimals = made
    at = data.draw(st.integers(1, len(places) - 1))
    gap = places + np.where(np.arange(len(places)) >= at, 1, 0)[:, None] * (places[1] - places[0])
    twice = np.insert(places, at, places[at], axis=0)
    moved = places.copy()
    moved[at] += 0.4 * (places[1] - places[0])
    # How far the moved stack lies from the nearest regular one (half of an inner slice's shift, less of the last's), against what rounding
    # moves along the normal when it is written and may have moved when it is read: nearer than that nobody can tell.
    off = 0.4 * distance * (0.5 if at < len(places) - 1 else (len(places) - 2) / (2 * (len(places) - 1)))
    hidden = off <= 10.0**-decimals * np.abs(places[1] - places[0]).sum() / distance
    for broken, said in (
        (gap, "missing|no regular"),
        (twice, "two slices lie at"),
        *([] if hidden else [(moved, "no regular spacing|missing")]),
    ):
        with pytest.raises(Unsound, match=said if len(places) > 3 else "."):
            grid_of(stack(broken.round(decimals), directions))


@pytest.mark.parametrize(("distance", "decimals"), [(0.625, 1), (1.25, 1), (0.8333, 1), (0.8333, 2), (0.625, 2)])
def test_positions_that_scanners_round_make_a_volume(distance, decimals) -> None:
    grid = grid_of(axial(*(round(-100.3 + k * distance, decimals) for k in range(200))))
    assert grid.spacing[0] == pytest.approx(distance, abs=0.0006)


def test_a_slice_missing_among_rounded_positions_is_named() -> None:
    heights = [round(k * 0.625, 1) for k in range(20) if k != 7]
    with pytest.raises(Unsound, match=r"a slice is missing between 3\.8 and 5 mm \(1\.2 mm apart, all others 0\.63 mm\)"):
        grid_of(axial(*heights))


def test_whole_millimetres_are_taken_as_they_stand() -> None:
    with pytest.raises(Unsound, match="2 to 3 mm apart: no regular spacing"):
        grid_of(axial(0, 2, 5, 8, 10))


def test_microscopic_stacks_are_stacks() -> None:
    assert grid_of(axial(*(0.009 * k for k in range(10)))).spacing[0] == pytest.approx(0.009)
