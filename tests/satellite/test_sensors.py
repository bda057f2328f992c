"""Bands by name, and what is known of them."""

from __future__ import annotations

import pytest
from labelfree_satellite import Satellite
from labelfree_satellite.sensors import SENSORS, canonical, find_sensor

from labelfree.errors import RecipeError
from tests.satellite.files import SENTINEL


@pytest.mark.parametrize(
    ("sensor", "given", "name"),
    [
        ("sentinel-2-l1c", "B4", "B04"),
        ("sentinel-2-l1c", "b8a", "B8A"),
        ("sentinel-2-l1c", "B8", "B08"),
        ("sentinel-2-l2a", "B04, central wavelength 665 nm", "B04"),
        ("sentinel-2-l2a", "B02_10m", "B02"),
        ("sentinel-2-l2a", "nir", "B08"),
        ("sentinel-2-l2a", "NIR08", "B8A"),
        ("sentinel-2-l2a", "SWIR 1", "B11"),
        ("landsat-8-9-l2", "SR_B4", "B4"),
        ("landsat-8-9-l2", "ST_B10", "B10"),
        ("landsat-8-9-l1", "nir", "B5"),
        ("naip", "Red", "red"),
    ],
)
def test_a_band_has_many_spellings(sensor: str, given: str, name: str) -> None:
    assert canonical(given, find_sensor(sensor)) == name


@pytest.mark.parametrize("given", ["B10", "band_4", "4", "Red Edge 9", "QA60", "B13", "elevation"])
def test_other_names_are_nobody_s(given: str) -> None:
    assert find_sensor("sentinel-2-l2a").band(given) is None


def test_a_letter_and_number_means_nothing_without_a_sensor() -> None:
    """B4 is red on Landsat 8 and near infrared on Landsat 7."""
    domain = Satellite()
    assert domain.rgb(["B2", "B3", "B4"]) is None
    assert domain.rgb(["blue", "green", "red"]) == (2, 1, 0)


def test_rgb_follows_the_names_not_the_order() -> None:
    domain = Satellite(sensor="sentinel-2-l1c")
    assert domain.rgb(SENTINEL) == (3, 2, 1)
    assert domain.rgb(tuple(reversed(SENTINEL))) == (9, 10, 11)
    assert domain.rgb(["B02", "B03", "B08"]) is None


@pytest.mark.parametrize("name", [name for name, sensor in SENSORS.items() if sensor.unit != "dB"])
def test_each_sensor_of_light_knows_red_green_and_blue(name: str) -> None:
    sensor = SENSORS[name]
    red, green, blue = (sensor.band(colour) for colour in ("red", "green", "blue"))
    assert red and green and blue and 600 < red.nm < 700 and 500 < green.nm < 600 and 430 < blue.nm < 500
    assert len({band.name for band in sensor.bands}) == len(sensor.bands)


def test_unknown_words_are_sentences() -> None:
    with pytest.raises(RecipeError, match=r"^reader\.sensor: 'sentinel-3' is not known; one of sentinel-2-l1c, "):
        Satellite(sensor="sentinel-3")
    with pytest.raises(RecipeError, match=r"^reader\.unit: 'DN/17' is not known; write `reflectance × 10000`"):
        Satellite(unit="DN/17")
    with pytest.raises(RecipeError, match=r"^reader\.bands: a name stands twice in B04, B04\.$"):
        Satellite(bands=["B4", "B04"], sensor="sentinel-2-l1c")


@pytest.mark.parametrize("unit", ["reflectance × 10000", "reflectance x 10000", "reflectance*10000", " reflectance × 1e4"])
def test_units_as_people_write_them(unit: str) -> None:
    assert Satellite(unit=unit).unit == ("reflectance", 1e-4, 0.0)
    assert Satellite(unit="stored").unit == ("stored", 1.0, 0.0)


def test_what_is_missing_comes_with_the_line_to_add() -> None:
    assert Satellite().missing(["red", "green", "blue"]) == []
    assert Satellite().missing(["gray"]) == []
    assert Satellite(sensor="sentinel-2-l1c").missing(SENTINEL) == []
    [sentence] = Satellite().missing([f"band_{k}" for k in range(1, 14)])
    assert "band_1, band_2, band_3, …" in sentence and "arms that read RGB" in sentence and "add reader.bands=[…] with 13 names" in sentence
    [sentence] = Satellite().missing(["B02", "B03", "B04"])
    assert "add reader.sensor=… (one of sentinel-2-l1c, " in sentence
    [sentence] = Satellite(bands=["red", "green", "blue", "height"]).missing(["red", "green", "blue", "height"])
    assert sentence.startswith("No wavelength is known for height: haze and clouds are left out of the views; add ")


@pytest.mark.parametrize(
    "sensor, channels, known, expected",
    [
        ("sentinel-2-l1c", ("B04", "B03", "B02"), ("red", "green", "blue"), (0, 1, 2)),
        ("sentinel-2-l1c", ("B01", "B05", "B08", "B12"), ("red", "green", "blue"), (2, 0, None, None)),  # blue and red are near, NIR is not
        ("landsat-8-9-l2", ("B4", "B5", "B6"), ("B02", "B03", "B04", "B08", "B8A", "B11"), (2, 4, 5)),  # Landsat's B5 is no red edge
        (None, ("blue", "nir", "odd"), ("B02", "B08"), (0, 1, None)),
        (None, ("band_1", "band_2"), ("red", "green", "blue"), (None, None)),
        (None, ("gray",), ("red", "green", "blue"), (None,)),
        (None, ("odd", "red"), ("odd", "even"), (0, None)),  # a name that both use is enough
    ],
)
def test_bands_are_matched_by_name_then_colour_then_wavelength(
    sensor: str | None, channels: tuple[str, ...], known: tuple[str, ...], expected: tuple[int | None, ...]
) -> None:
    assert Satellite(sensor=sensor).matches(channels, known) == expected


def test_the_best_of_several_bands_is_taken_once() -> None:
    """Level 2A for weights that know colours: blue is B02, not the coastal band nearby; near infrared is B08."""
    domain = Satellite(sensor="sentinel-2-l2a")
    channels = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
    found = domain.matches(channels, ("red", "green", "blue", "nir"), once=True)
    assert {channels[i]: at for i, at in enumerate(found) if at is not None} == {"B04": 0, "B03": 1, "B02": 2, "B08": 3}


def test_equal_names_of_other_wavelengths_are_no_match() -> None:
    landsat = Satellite(sensor="landsat-8-9-l2")
    sentinel = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
    names = ("B2", "B3", "B4", "B5", "B6", "B7", "B10")
    found = [None if at is None else sentinel[at] for at in landsat.matches(names, sentinel, once=True)]
    assert found == ["B02", "B03", "B04", "B8A", "B11", "B12", None]  # heat is not cirrus
    older = Satellite(sensor="landsat-4-7-l2").matches(("B1", "B4", "B6"), tuple(f"B{n}" for n in range(1, 12)))
    assert older == (1, 4, 9)  # blue is B2, near infrared B5, heat B10
