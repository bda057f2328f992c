"""Patches and batches of volumes: isotropic where they can be, within memory and time, and slices where too little is left of a volume."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.planning.volumes import FORWARD, LARGEST, NARROW, VIEWS, Device, VolumePlan, patch_of, plan_volumes

LAPTOP, CARD = Device(8e9, 2), Device(12e9, 0)  # two cores; a GPU of 24 GB
SIDES = st.tuples(*[st.integers(1, 700)] * 3)


@given(SIDES, st.tuples(*[st.floats(0.2, 8)] * 3) | st.none(), st.integers(16**3, 3_000_000))
def test_a_patch_fits_and_is_made_of_whole_steps(shape: tuple[int, ...], spacing: tuple[float, ...] | None, most: int) -> None:
    patch = patch_of(shape, spacing, most)
    assert prod(patch) <= most and all(side % 8 == 0 and 8 <= side <= max(8, count) for side, count in zip(patch, shape, strict=True))


@given(SIDES, st.integers(16**3, 1_000_000))
def test_more_memory_never_shows_less(shape: tuple[int, ...], most: int) -> None:
    assert prod(patch_of(shape, None, most)) <= prod(patch_of(shape, None, 2 * most))


def test_a_patch_begins_as_long_along_every_axis_in_mm_and_shows_equal_shares_in_the_end() -> None:
    assert patch_of((1000, 1000, 1000), (1.0, 1.0, 4.0), LARGEST * 100)[::2] == (400, 96)  # 406 mm
    assert patch_of((400, 400, 400), None, 64**3) == (64, 64, 64)
    shape = (512, 256, 128)
    shares = [side / count for side, count in zip(patch_of(shape, None, 300_000), shape, strict=True)]
    assert max(shares) - min(shares) <= 8 / min(shape)


def test_thin_axes_are_kept_whole() -> None:
    """0.8 x 0.8 x 5 mm, 24 slices: all of them, and less of each, until shares are alike."""
    patch = patch_of((512, 512, 24), (0.8, 0.8, 5.0), 400_000)
    assert patch[2] in (16, 24) and patch[0] == pytest.approx(patch[1], abs=8) and 300_000 < prod(patch) <= 400_000


def plan(shape: tuple[int, ...], device: Device = LAPTOP, count: int = 200, spacing: tuple[float, ...] | None = None) -> VolumePlan:
    return plan_volumes([shape] * 9, [spacing] * 9, count, NARROW, device)


def test_small_volumes_are_learnt_from_whole_and_large_ones_on_a_card_in_patches() -> None:
    small, large, card = plan((36, 50, 35)), plan((512, 512, 400)), plan((512, 512, 400), CARD)
    assert small.patch == (32, 48, 32) and small.enough and "in batches of" in small.reason
    assert not large.enough and "2 cores take 3 s for" in large.reason
    assert card.enough and prod(card.patch) <= LARGEST and max(card.patch) <= 96
    assert "12 GB of the GPU's free memory hold" in card.size.reason


def test_small_volumes_of_any_size_are_learnt_from_as_volumes() -> None:
    """Tiles that are cut from ragged ones are no cubes of their shortest side."""
    shapes = [(35, 50, 36), (34, 46, 30), (40, 59, 46), (36, 52, 38)]
    planned = plan_volumes(shapes, [(1.0, 1.0, 1.0)] * 4, 200, NARROW, LAPTOP)
    assert planned.tile == (34, 46, 30) and planned.patch == (32, 40, 24) and planned.enough
    assert planned.size.reason.endswith(": all that tiles of 34 x 46 x 30 voxels hold in multiples of 8"), "no word of the device"


@pytest.mark.parametrize("device", [LAPTOP, CARD, Device(2e9, 64)], ids=["two cores", "card", "many cores"])
@pytest.mark.parametrize("shape", [(36, 50, 35), (192, 192, 64), (512, 512, 24)], ids=str)
def test_a_step_fits_the_device(device: Device, shape: tuple[int, ...]) -> None:
    planned = plan_volumes([shape], [None], 10_000, NARROW, device)
    voxels = VIEWS * planned.batch * prod(planned.patch)
    assert planned.batch >= 8 and voxels * NARROW.bytes <= device.memory * 1.01
    assert not device.cores or voxels / (NARROW.speed * device.cores) <= 3.03


def test_a_small_pool_has_several_batches() -> None:
    assert plan((36, 50, 35), CARD, count=70).batch == 16 and plan((36, 50, 35), CARD, count=5).batch == 8


def test_medians_are_of_shape_and_spacing() -> None:
    planned = plan_volumes([(30, 40, 50), (32, 44, 50), (90, 90, 90)], [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0), (1.0, 1.0, 2.0)], 9, NARROW, CARD)
    assert planned.shape == (32, 44, 50) and planned.spacing == (1.0, 1.0, 2.0)
    assert plan_volumes([(8, 8, 8)] * 2, [None, (1.0, 1.0, 1.0)], 9, NARROW, CARD).spacing is None


def test_reading_counts_voxels() -> None:
    """Twice the longest side is eight times the work."""
    planned = plan((64, 48, 32), CARD)
    assert planned.read_seconds(10, [128]) == pytest.approx(8 * planned.read_seconds(10, [64]), rel=0.01)
    assert planned.read_seconds(10, [max(planned.patch)]) > 10 * prod(planned.patch) / (FORWARD * NARROW.speed * 1000)
