"""Which field files are from is told by the files alone, and by exactly one domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from labelfree_satellite import Satellite
from labelfree_satellite.sensors import beyond_rgb

from labelfree.domain import Recognises
from labelfree.errors import DataError, RecipeError
from labelfree.planning import recognition
from labelfree.planning.recognition import field_of
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain
from tests.planning.folders import pictures, rasters, table

PNGS = [f"{i:02d}.png" for i in range(20)]


class Telling(PillowDomain):
    """Recognises every picture."""

    name = "telling"

    def recognises(self, sample: Any) -> str | None:
        return "it is a picture"


class Reading(Telling):
    """Recognises every picture too."""

    name = "reading"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Stand-ins for the installed domains."""

    def install(*domains: type) -> None:
        by_name = {domain.name: domain for domain in domains}
        monkeypatch.setattr(recognition, "domain_names", lambda: sorted(by_name))
        monkeypatch.setattr(recognition, "sound_domains", lambda: sorted(by_name))
        monkeypatch.setattr(recognition, "domain_with", lambda name, *settings: by_name[name]())

    return install


@pytest.mark.parametrize(
    ("names", "tells"),
    [
        (("red", "green", "blue"), False),
        (("R", "G", "B"), False),
        (("gray",), False),
        (("band_1", "band_2", "band_3", "band_4"), False),
        (("red", "green", "blue", "nir"), True),
        (("B02", "B03", "B04"), True),
        (("B4, central wavelength 665 nm", "B8, central wavelength 842 nm"), True),
        (("red", "green", "blue", "depth"), False),
        (("DAPI", "GFP"), False),
    ],
)
def test_names_of_bands_tell_beyond_red_green_and_blue(names: tuple[str, ...], tells: bool) -> None:
    assert bool(beyond_rgb(names)) is tells


@pytest.mark.parametrize(("how", "reason"), [({}, "it has coordinates"), ({"placed": False, "names": ("B02", "B03", "B04", "B08")}, "B02")])
def test_coordinates_or_named_bands_are_recognised(tmp_path: Path, how: dict[str, Any], reason: str) -> None:
    rasters(tmp_path, ["a.tif", "b.tif"], **how)
    assert reason in field_of(Data(root=tmp_path), {}, None).reason


def test_the_one_domain_that_recognises_is_taken(tmp_path: Path, installed) -> None:
    pictures(tmp_path, PNGS)
    installed(PillowDomain, Satellite, Telling)
    assert not isinstance(PillowDomain(), Recognises)
    field = field_of(Data(root=tmp_path), {}, None)
    assert (field.domain.name, field.reason) == ("telling", "it is a picture")


def test_none_and_several_name_the_way_out(tmp_path: Path, installed) -> None:
    pictures(tmp_path / "satellite", PNGS)  # a folder's name tells nothing
    installed(PillowDomain, Satellite)
    with pytest.raises(RecipeError, match=r"do not tell .* --domain \(installed: pillow, satellite\)"):
        field_of(Data(root=tmp_path / "satellite"), {}, None)
    installed(Telling, Reading, Satellite)
    with pytest.raises(RecipeError, match=r"several domains .*reading: it is a picture; telling: .*installed: reading, satellite, telling"):
        field_of(Data(root=tmp_path / "satellite"), {}, None)
    assert field_of(Data(root=tmp_path / "satellite"), {}, "satellite").domain.name == "satellite"


def test_every_file_asked_must_tell(tmp_path: Path) -> None:
    rasters(tmp_path, ["a.tif", "b.tif"], bands=3)
    rasters(tmp_path, ["c.tif"], bands=3, placed=False)
    with pytest.raises(RecipeError, match="do not tell"):
        field_of(Data(root=tmp_path), {}, None)


def test_dev_and_test_images_are_not_asked(tmp_path: Path) -> None:
    rasters(tmp_path, ["a.tif"], bands=3, placed=False)
    rasters(tmp_path, ["b.tif"], bands=3)
    table(tmp_path / "splits.csv", "path,split", [("a.tif", "train"), ("b.tif", "test")])
    with pytest.raises(RecipeError, match="do not tell"):
        field_of(Data(root=tmp_path), {}, None)


def test_a_folder_that_no_domain_reads_is_told_by_each(tmp_path: Path, installed) -> None:
    installed(PillowDomain, Satellite)
    with pytest.raises(DataError, match=r"the pillow domain reads\. .* the satellite domain reads\."):
        field_of(Data(root=tmp_path), {}, None)
