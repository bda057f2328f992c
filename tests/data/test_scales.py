"""Scales told apart by the largest numbers of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelfree.data.scales import Scales, Stored, same_scale
from labelfree.domain import Row
from labelfree.errors import DataError

FLOAT, INTEGER = Stored("float32", (1.0,), (0.0,)), Stored("uint16", (1.0,), (0.0,))
REFLECTANCE = Stored("uint16", (1e-4,), (0.0,))
BYTES, DEEP = Stored("uint8", (1 / 255,), (0.0,)), Stored("uint16", (1 / 65535,), (0.0,))


def judged(*images: tuple[Stored, float], usual: Stored | None = None) -> None:
    scales = Scales()
    for number, (stored, most) in enumerate(images):
        scales.note(Row(f"{number}.tif", Path(f"{number}.tif")), stored, most)
    scales.require_one(usual or images[0][0], "stored")


@pytest.mark.parametrize(
    ("most", "stored", "others", "others_stored", "same"),
    [
        (0.4, FLOAT, 4000, INTEGER, False),  # one scale is claimed for both
        (4000, INTEGER, 0.4, FLOAT, False),
        (0.4, FLOAT, 4000, FLOAT, False),
        (0.4, FLOAT, 0.6, REFLECTANCE, True),  # a scale relates them
        (0.02, FLOAT, 1.6, REFLECTANCE, True),  # water beside clouds
        (1, INTEGER, 4000, INTEGER, True),  # a dark image of whole numbers
        (0.0625, DEEP, 1, BYTES, False),  # 12 bits in 16, beside 8
        (0.9, DEEP, 1, BYTES, True),
        (0, FLOAT, 4000, INTEGER, True),  # zeros are no evidence
        (250, Stored(""), 1, BYTES, False),
    ],
)
def test_what_can_be_one_scale(most: float, stored: Stored, others: float, others_stored: Stored, same: bool) -> None:
    assert same_scale(most, stored, others, others_stored) is same


@pytest.mark.parametrize("rare", [2, 5])
def test_real_numbers_of_one_type_on_two_scales(rare: int) -> None:
    images = [(FLOAT, 3000.0 + i) for i in range(6)] + [(FLOAT, 0.3 + i / 100) for i in range(rare)]
    with pytest.raises(DataError, match=r"tif: float32 up to 0\.3.* stored, others, such as 0\.tif, up to 3,000, .* say reader\.unit\b"):
        judged(*images)


def test_a_flat_coast_beside_mountains_is_one_scale() -> None:
    judged(*((FLOAT, height) for height in (0.4, 600, 800, 900, 1200, 3000)))


def test_real_numbers_without_a_gap_are_one_scale() -> None:
    judged(*((FLOAT, 0.01 * 8**i) for i in range(8)))  # radar: one image of a ship outshines a sea thousands of times


def test_the_image_on_another_scale_is_named() -> None:
    with pytest.raises(DataError, match=r"^2\.tif: float32 up to 0\.4 stored, others are uint16 up to 4,000, "):
        judged((INTEGER, 3000), (INTEGER, 4000), (FLOAT, 0.4))
