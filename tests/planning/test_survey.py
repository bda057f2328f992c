"""What `data show` tells of a card with images of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

import labelfree
from labelfree.errors import DataError
from labelfree.planning.survey import survey
from labelfree.progress import Silent
from tests.satellite.files import numbers, write_tif


@pytest.mark.parametrize("as_mapping", [False, True])
def test_a_card_that_is_named_holds_beside_data_root(tmp_path: Path, as_mapping: bool) -> None:
    """`labelfree data show CARD data.root=DIR`: the card was asked for, so the folder does not replace it."""
    write_tif(tmp_path / "a.tif", numbers(12, "int16"), placed=False)
    overrides = {"data.root": tmp_path} if as_mapping else [f"data.root={tmp_path}"]
    found = survey("water-multiband", overrides, None, lambda: "satellite")
    assert found.first is not None and found.manifest.name == "water-multiband"
    assert found.first.channels == ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")


def test_a_file_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_bytes(b"CDF\x01")
    with pytest.raises(DataError, match=r"a\.nc: is a file; give its folder, a card \(.*\) or a recipe"):
        survey(tmp_path / "a.nc", (), "satellite", lambda: "satellite")


def test_check_and_plan_refuse_where_no_image_is_measured_as_a_run_does(tmp_path: Path) -> None:
    for number in range(3):
        write_tif(tmp_path / f"{number}.tif", numbers(3) * 0, nodata=0)
    checked = labelfree.check_data(tmp_path, (), "satellite", say=Silent())
    assert len(checked.faults) == 1 and "so none is left; give others, or set reader." in checked.faults[0]
    with pytest.raises(DataError, match=r"of each of 3 images, such as 0\.tif, so none is left"):
        labelfree.plan(tmp_path, "satellite", say=Silent())
