"""What `data show` tells of a card with images of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelfree.planning.survey import survey
from tests.satellite.files import numbers, write_tif


@pytest.mark.parametrize("as_mapping", [False, True])
def test_a_card_that_is_named_holds_beside_data_root(tmp_path: Path, as_mapping: bool) -> None:
    """`labelfree data show CARD data.root=DIR`: the card was asked for, so the folder does not replace it."""
    write_tif(tmp_path / "a.tif", numbers(12, "int16"), placed=False)
    overrides = {"data.root": tmp_path} if as_mapping else [f"data.root={tmp_path}"]
    found = survey("water-multiband", overrides, None, lambda: "satellite")
    assert found.first is not None and found.manifest.name == "water-multiband"
    assert found.first.channels == ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
