"""Images whose numbers mean nothing beside each other's need be on no one scale; a unit that says more is held to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelfree.backbones.weight_card import WeightCard, scale_fault
from labelfree.data.scales import Scales, Stored
from labelfree.domain import ARBITRARY, Row
from labelfree.errors import DataError

BYTES, REAL = Stored("uint8", (1.0,), (0.0,)), Stored("float32", (1.0,), (0.0,))


def test_each_image_may_have_its_own_scale() -> None:
    scales = Scales()
    for number, (stored, most) in enumerate([(BYTES, 255.0), (REAL, 1.7e6), (REAL, 120.0)]):
        scales.note(Row(str(number), Path(str(number))), stored, most)
    scales.require_one(REAL, ARBITRARY)
    with pytest.raises(DataError, match="nothing says how the two scales relate"):
        scales.require_one(REAL, "stored")


def test_weights_taught_so_take_any() -> None:
    def card(unit: str) -> WeightCard:
        return WeightCard("x", ("mr",), unit, (1.0,), (0.0,), (), (), 32, dtype="uint8", low=(0.0,), high=(255.0,))

    assert scale_fault(card(ARBITRARY), REAL, [1.7e6]) is None
    assert "taught by values up to 255" in str(scale_fault(card("stored"), REAL, [1.7e6]))
