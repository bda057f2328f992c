"""The size of ultrasound's pixels is that of its one region, or not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from labelfree_medical.dicom import list_dicom, read_dicom
from labelfree_medical.dicom.ultrasound import BY_REGION, spacing_of_region
from pydicom import Dataset

from tests.medical.dicom_writing import ULTRASOUND_CINE, US, header, with_pixels, write

pytestmark = pytest.mark.usefixtures("own_cache")
WHOLE = {"RegionLocationMinX0": 0, "RegionLocationMinY0": 0, "RegionLocationMaxX1": 39, "RegionLocationMaxY1": 29}


def region(**given: Any) -> Dataset:
    """2D tissue of 0.1 mm down, 0.2 mm across."""
    made = Dataset()
    tissue = {"RegionSpatialFormat": 1, "RegionDataType": 1, "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3}
    for name, value in {**WHOLE, **tissue, "PhysicalDeltaX": 0.02, "PhysicalDeltaY": -0.01, **given}.items():
        setattr(made, name, value)
    return made


def picture(*regions: Dataset, **given: Any) -> Dataset:
    """30 rows of 40 pixels."""
    made = header(US, "US", **given)
    if regions:
        made.SequenceOfUltrasoundRegions = list(regions)
    return with_pixels(made, np.arange(1200, dtype=np.uint16).reshape(30, 40))


def test_the_size_of_pixels_is_that_of_the_one_region(tmp_path) -> None:
    write(tmp_path / "a", picture(region()))
    stored = read_dicom(list_dicom(tmp_path).images[0])
    assert stored.spacing == pytest.approx((0.1, 0.2)) and BY_REGION in stored.notes


def test_each_frame_of_a_cine_has_it(tmp_path) -> None:
    made = header(ULTRASOUND_CINE, "US", SequenceOfUltrasoundRegions=[region()])
    write(tmp_path / "a", with_pixels(made, np.zeros((2, 30, 40), np.uint8), frames=True))
    assert [read_dicom(image).spacing for image in list_dicom(tmp_path).images] == [pytest.approx((0.1, 0.2))] * 2


def test_pixel_spacing_goes_before(tmp_path) -> None:
    write(tmp_path / "a", picture(region(), PixelSpacing=[0.5, 0.6]))
    assert read_dicom(list_dicom(tmp_path).images[0]).spacing == (0.5, 0.6)


@pytest.mark.parametrize(
    "regions",
    [
        (),
        (region(), region(RegionLocationMinY0=20)),  # two, each with a size of its own
        (region(RegionLocationMaxX1=15),),  # less than half of the picture
        (region(RegionSpatialFormat=2),),  # a curve over time
        (region(PhysicalUnitsXDirection=4),),  # seconds
        (region(PhysicalDeltaX=0.0),),
        (region(RegionLocationMinX0=39, RegionLocationMaxX1=0),),
    ],
)
def test_else_nobody_knows_it(regions: tuple[Dataset, ...]) -> None:
    assert spacing_of_region(picture(*regions)) is None
