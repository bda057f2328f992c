"""What a data card says in words of its field stands in the report, however old the run is."""

from __future__ import annotations

import pytest

from labelfree.reporting.sections.data import reader_of

CORE = {"name": "mine", "domain": "satellite", "licence": "CC0", "citation": "me", "split": "given"}


@pytest.mark.parametrize(
    "card",
    [
        {**CORE, "reader": {"sensor": "naip", "unit": "display", "bands": ["red"]}},
        {**CORE, "sensor": "naip", "unit": "display", "bands": ["red"], "scale": None},  # card.json before `reader` was a block
    ],
)
def test_its_words_are_shown_but_for_the_unit_which_is_told_already(card: dict) -> None:
    assert reader_of(card) == {"sensor": "naip"}
