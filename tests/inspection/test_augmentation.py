"""What is used, and what is avoided: crops that lose the defect, turns where direction tells classes apart, hue."""

from __future__ import annotations

import colorsys
import re
from dataclasses import replace

import pytest
import torch
from labelfree_inspection import Inspection
from labelfree_inspection.augmentation import FLOOR, LEAST, SHOWN, augmentation, crop_floor
from labelfree_inspection.direction import directions_named, mirror

from labelfree.domain import Fingerprint, KnowsSides
from labelfree.views import (
    ChannelDrop,
    ChannelGain,
    ChannelOffset,
    CutPaste,
    Defocus,
    Dihedral,
    Glare,
    Grayscale,
    LightRamp,
    MotionBlur,
    Noise,
    PerChannel,
    ResizedCrop,
    SensorNoise,
    SoftShadow,
    ViewPipeline,
)
from tests.views.ops import seeded


def fingerprint(side: int = 96, channels: tuple[str, ...] = ("gray",), unit: str = "grey levels", white: float = 4095.0) -> Fingerprint:
    n = len(channels)
    return Fingerprint(
        100, channels, "uint16", unit, (1.0,) * n, (0.0,) * n, (side, side), (side, side), (0.4 * white,) * n, (0.1 * white,) * n,
        low=(0.0,) * n, high=(white,) * n,
    )  # fmt: skip


def test_the_row_of_the_design_is_used() -> None:
    made = augmentation(fingerprint(), 4095.0)
    used = {type(op) for op in made.physics}
    assert {LightRamp, SoftShadow, Glare, Defocus, MotionBlur, SensorNoise} <= used and isinstance(made.geometry[0], Dihedral)
    assert [type(op).__name__ for op in made.anomalies] == ["CutPaste", "CutPaste", "Blotches"]
    assert not any(isinstance(op, CutPaste) for op in (*made.geometry, *made.physics, *made.late)), "views would learn to ignore defects"


@pytest.mark.parametrize("white", [255.0, 1023.0, 4095.0, 65535.0])
def test_strengths_are_shares_of_white(white: float) -> None:
    """The same picture in 8, 10, 12 and 16 bits gets the same views."""
    reference, deep = (augmentation(fingerprint(white=scale), scale) for scale in (255.0, white))
    x = torch.rand(4, 1, 48, 48, generator=seeded(0))
    for one, other in zip(reference.physics, deep.physics, strict=True):
        torch.testing.assert_close(one(255 * x, seeded(1)) / 255, other(white * x, seeded(1)) / white, rtol=1e-4, atol=1e-5)


def test_no_hue_changes() -> None:
    """A coloured surface keeps its hue under every light; noise alone is each pixel's and channel's own."""
    made = augmentation(fingerprint(channels=("red", "green", "blue")), 4095.0)
    assert not any(isinstance(op, (ChannelGain, ChannelOffset, ChannelDrop, Grayscale)) for op in (*made.physics, *made.late))
    x = torch.tensor([2000.0, 1200.0, 400.0]).view(1, 3, 1, 1).expand(32, 3, 24, 24)
    for op in made.physics:
        if isinstance(op, SensorNoise):
            continue
        seen = op(x, seeded(0)).permute(0, 2, 3, 1).reshape(-1, 3)[::97]
        hues = [colorsys.rgb_to_hsv(*(pixel / 4095).tolist())[0] for pixel in seen]
        assert max(hues) - min(hues) < 1e-3, type(op).__name__


@pytest.mark.parametrize(("defect", "side"), [(4, 96), (10, 96), (20, 96), (9, 640), (30, 100)])
def test_crops_seldom_lose_the_smallest_defect(defect: int, side: int) -> None:
    """Crops as they come, and defects anywhere: so many show some of it."""
    floor = crop_floor(defect, side)
    n, draw = 4000, seeded(0)
    start = (side - defect) * torch.rand(n, 2, generator=draw)
    first, size = ResizedCrop(64, (floor, 1.0)).draw(n, draw).boxes((side, side))
    assert ((first < start + defect) & (first + size > start)).all(1).float().mean() > SHOWN - 0.03
    assert augmentation(fingerprint(side), 4095.0, defect).global_scale == (floor, 1.0)


def test_the_floor_follows_the_defect() -> None:
    assert crop_floor(None, 96) == FLOOR and crop_floor(90, 96) == LEAST
    floors = [crop_floor(defect, 200) for defect in (2, 10, 40, 80)]
    assert floors == sorted(floors, reverse=True) and floors[0] > FLOOR
    assert Inspection(smallest_defect=1.0).augment(fingerprint()).global_scale[0] > Inspection().augment(fingerprint()).global_scale[0]


def test_small_views_lie_where_the_large_ones_do() -> None:
    made = augmentation(fingerprint(), 4095.0)
    assert made.overlap >= 0.5 and made.local_scale[1] <= made.global_scale[0] and made.local_scale[0] >= LEAST / 2.5


@pytest.mark.parametrize(
    "classes", [["horizontal crack", "vertical crack"], ["scratch_left", "ok"], ["Kratzer oben"], ["topDent"], ["縦傷"]]
)
def test_directions_that_labels_name_are_kept(classes: list[str]) -> None:
    told = Inspection().mirror(classes)
    assert told.value is False and re.search("names? a direction", told.reason)
    assert isinstance(Inspection(), KnowsSides)
    assert not any(isinstance(op, Dihedral) for op in Inspection().augment(fingerprint()).unmirrored().geometry), "turned all the same"


@pytest.mark.parametrize(
    "classes", [[], ["good", "scratch", "pit"], ["Blowhole", "Break", "Crack", "Fray", "Free", "Uneven"], ["stop", "setup"]]
)
def test_surfaces_have_no_direction_else(classes: list[str]) -> None:
    assert mirror(classes).value is True and directions_named(classes) == []


def test_views_may_differ_in_light_alone() -> None:
    """With light, lens and sensor at nothing two views of a picture are the picture."""
    made = Inspection(only_light=True, depth=12).augment(fingerprint(64))
    stored = (4095 * torch.rand(3, 1, 64, 64, generator=seeded(0))).to(torch.uint16)
    still = ViewPipeline(replace(made, physics=[]), PerChannel([0.0], [1.0]), [1.0], [0.0])
    for view in still.multi_crop(stored, (2, 0), (64, 32), seeded(1)):
        torch.testing.assert_close(view.physical, stored.float(), rtol=0, atol=0.5)
    assert len(made.physics) == len(Inspection(depth=12).augment(fingerprint(64)).physics)


def test_heights_get_no_light() -> None:
    """Real numbers are no gray levels: 0 is not dark, and a shadow would be a slope."""
    heights = augmentation(fingerprint(unit="stored", white=3.5), 3.5)
    assert not any(isinstance(op, (LightRamp, SoftShadow, Glare, SensorNoise)) for op in heights.physics)
    assert any(isinstance(op, Noise) for op in heights.physics)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_views_of_any_source_are_sound(dtype: torch.dtype) -> None:
    white = 255.0 if dtype == torch.uint8 else 4095.0
    stored = (white * torch.rand(6, 1, 64, 64, generator=seeded(0))).to(dtype)
    made = ViewPipeline(augmentation(fingerprint(64, white=white), white), PerChannel([0.5 * white], [0.3 * white]), [1.0], [0.0])
    for view in made.multi_crop(stored, (2, 2), (48, 24), seeded(1)):
        assert view.normal.isfinite().all() and view.normal.std() > 0.3 and (view.normal < 0).any()
