"""Numbers are what the header says they are; pydicom, its own example files and arithmetic are the witnesses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_medical import Medical
from labelfree_medical.dicom import list_dicom, read_dicom
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from labelfree.domain import Row
from labelfree.errors import DataError
from tests.medical.dicom_writing import CR, MR, PET, header, slice_at, with_pixels, write

RAMP = np.arange(30, dtype=np.uint16).reshape(6, 5)
pytestmark = pytest.mark.usefixtures("own_cache")


def stored_of(folder: Path, dataset: Dataset, **writing):
    write(folder / "a.dcm", dataset, **writing)
    (image,) = list_dicom(folder).images
    return read_dicom(image)


def physical(stored) -> np.ndarray:
    shape = (-1,) + (1,) * (stored.data.ndim - 1)
    return stored.data * np.array(stored.scale).reshape(shape) + np.array(stored.offset).reshape(shape)


def film(pixels: np.ndarray = RAMP, bits: int = 12, **given) -> Dataset:
    return with_pixels(header(CR, "CR", **given), pixels, bits)


def test_small_is_bright_is_inverted_by_the_bits_stored(tmp_path) -> None:
    stored = stored_of(tmp_path, film(PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(physical(stored)[0], 4095 - RAMP.astype(int))


def test_signed_films_are_inverted_too(tmp_path) -> None:
    stored = stored_of(tmp_path, film((RAMP.astype(np.int16) - 9), PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(physical(stored)[0], -1 - (RAMP.astype(int) - 9))


def test_amounts_are_not_inverted(tmp_path) -> None:
    stored = stored_of(tmp_path, slice_at((0, 0, 0), PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(physical(stored)[0], RAMP.astype(int) - 1024)
    assert stored.unit == "HU"


@given(st.integers(8, 16), st.data())
@settings(max_examples=60, deadline=None)
def test_bits_that_hold_nothing_are_dropped(tmp_path_factory, bits, data) -> None:
    high = data.draw(st.integers(bits - 1, 15))
    signed = data.draw(st.booleans())
    random = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    low, top = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    truth = random.integers(low, top, (6, 5))
    word = (truth & ((1 << bits) - 1)) << (high - bits + 1)
    rubbish = random.integers(0, 1 << 16, (6, 5)) & ~(((1 << bits) - 1) << (high - bits + 1))
    pixels = (word | rubbish).astype(np.uint16).view(np.int16 if signed else np.uint16)
    stored = stored_of(tmp_path_factory.mktemp("bits"), film(pixels, bits, HighBit=high))
    np.testing.assert_array_equal(stored.data[0], truth)


@pytest.mark.parametrize("written", [-2000, 63536])
def test_padding_is_no_measurement(tmp_path, written) -> None:
    pixels = RAMP.astype(np.int16)
    pixels[0] = -2000
    dataset = slice_at((0, 0, 0), pixels)
    dataset.add_new(0x00280120, "SS" if written < 0 else "US", written)
    stored = stored_of(tmp_path, dataset)
    assert not stored.measured[0].any() and stored.measured[1:].all()


def test_a_number_as_stored_may_be_said_to_be_padding(tmp_path) -> None:
    pixels = RAMP.astype(np.int16)
    pixels[0] = 5000
    row = Row("a.dcm", write(tmp_path / "a.dcm", slice_at((0, 0, 0), pixels)))
    measured = Medical(padding=5000).read(row).measured
    assert measured is not None and not measured[0].any() and measured[1:].all()


def test_a_range_of_padding(tmp_path) -> None:
    dataset = film()
    dataset.add_new(0x00280120, "US", 3)
    dataset.add_new(0x00280121, "US", 0)
    assert (~stored_of(tmp_path, dataset).measured == (RAMP <= 3)).all()


def test_padding_that_the_stored_bits_cannot_hold(tmp_path) -> None:
    pixels = RAMP.copy()
    pixels[0] = 63536
    dataset = film(pixels)
    dataset.add_new(0x00280120, "US", 63536)
    assert not stored_of(tmp_path, dataset).measured[0].any()


def test_padding_that_nobody_declares(tmp_path) -> None:
    pixels = RAMP.astype(np.int16) + 500
    pixels[0] = -2000
    stored = stored_of(tmp_path, slice_at((0, 0, 0), pixels))
    assert not stored.measured[0].any() and stored.measured[1:].all()
    assert any("no measurement" in note for note in stored.notes)


def test_nothing_is_padded_where_nothing_is(tmp_path) -> None:
    assert stored_of(tmp_path, film()).measured is None


@pytest.mark.parametrize("slope", [0, "nan"])
def test_a_slope_of_nothing_is_one(tmp_path, slope) -> None:
    assert stored_of(tmp_path, slice_at((0, 0, 0), RescaleSlope=slope)).scale == (1.0,)


def test_slopes_of_each_slice(tmp_path) -> None:
    for number, slope in enumerate((0.5, 1.25, 2.0)):
        given = {"storage": PET, "modality": "PT", "RescaleSlope": slope, "RescaleIntercept": 0, "Units": "BQML"}
        write(tmp_path / f"{number}", slice_at((0, 0, 3.0 * number), RAMP, **given))
    (image,) = list_dicom(tmp_path).images
    stored = read_dicom(image)
    assert stored.scale == ((0.5, 1.25, 2.0),) and stored.offset == (0.0,) and stored.unit == "Bq/ml"


def test_slices_of_two_types_are_one_volume(tmp_path) -> None:
    write(tmp_path / "a", slice_at((0, 0, 0), np.full((6, 5), 65000, np.uint16), RescaleIntercept=-65024))
    write(tmp_path / "b", slice_at((0, 0, 2), np.full((6, 5), -24, np.int16), RescaleIntercept=0))
    stored = read_dicom(list_dicom(tmp_path).images[0])
    values = stored.data[0, :, 0, 0] * 1.0 + np.array(stored.offset[0])
    assert values.tolist() == [-24, -24]


@pytest.mark.parametrize(("first", "entries", "bits"), [(0, 30, 16), (5, 10, 16), (-3, 20, 16), (0, 40, 8)])
def test_a_modality_table_is_pydicoms(tmp_path, first, entries, bits) -> None:
    dataset = film(RAMP.astype(np.int16), bits=16)
    item = Dataset()
    item.add_new(0x00283002, "SS", [entries, first, bits])
    item.ModalityLUTType = "US"
    item.add_new(0x00283006, "US", [(7 * k) % (1 << min(bits, 12)) for k in range(entries)])
    dataset.ModalityLUTSequence = [item]
    stored = stored_of(tmp_path, dataset)
    witness = apply_modality_lut(RAMP.astype(np.int32), dcmread(tmp_path / "a.dcm"))
    np.testing.assert_array_equal(stored.data[0], witness)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_is_colour(tmp_path, bits) -> None:
    dataset = film(RAMP.astype(np.uint8), 8, PhotometricInterpretation="PALETTE COLOR")
    dataset.Modality = "US"
    random = np.random.default_rng(0)
    tables = random.integers(0, 1 << bits, (3, 32)).astype(np.uint8 if bits == 8 else np.uint16)
    for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [32, 0, bits])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table.tobytes())
    stored = stored_of(tmp_path, dataset)
    witness = apply_color_lut(RAMP.astype(np.uint8), dcmread(tmp_path / "a.dcm"))
    np.testing.assert_array_equal(stored.data, (witness >> (bits - 8)).transpose(2, 0, 1))
    assert stored.channels == ("red", "green", "blue") and stored.data.dtype == np.uint8


def test_planar_colour(tmp_path) -> None:
    pixels = np.arange(90, dtype=np.uint8).reshape(6, 5, 3)
    dataset = with_pixels(header("1.2.840.10008.5.1.4.1.1.6.1", "US"), pixels)
    dataset.PlanarConfiguration, dataset.PixelData = 1, pixels.transpose(2, 0, 1).tobytes()
    np.testing.assert_array_equal(stored_of(tmp_path, dataset).data, pixels.transpose(2, 0, 1))


def test_spacing_of_films(tmp_path) -> None:
    at_detector = stored_of(tmp_path / "a", film(ImagerPixelSpacing=[0.2, 0.1]))
    assert at_detector.spacing == (0.2, 0.1) and any("detector" in note for note in at_detector.notes)
    assert stored_of(tmp_path / "b", film(ImagerPixelSpacing=[0.2, 0.1], PixelSpacing=[0.19, 0.09])).spacing == (0.19, 0.09)
    assert stored_of(tmp_path / "c", film()).spacing is None


def test_the_scaling_of_philips_is_told(tmp_path) -> None:
    dataset = slice_at((0, 0, 0), RAMP, storage=MR, modality="MR", RescaleSlope=2, RescaleIntercept=1)
    dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.01)
    stored = stored_of(tmp_path, dataset)
    assert any("Philips" in note for note in stored.notes)
    np.testing.assert_array_equal(physical(stored)[0], 2 * RAMP + 1)


def test_ct_without_a_rescale_is_not_called_hu(tmp_path) -> None:
    dataset = slice_at((0, 0, 0))
    del dataset.RescaleSlope, dataset.RescaleIntercept
    assert stored_of(tmp_path, dataset).unit == "stored"


def test_burnt_in_text_is_flagged(tmp_path) -> None:
    write(tmp_path / "a.dcm", film(BurnedInAnnotation="YES"))
    assert list_dicom(tmp_path).images[0].burnt_in


EXAMPLES = sorted(path for path in (Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_pydicoms_own_example_files(tmp_path, path) -> None:
    """Each is an image, as pydicom decodes it, or has a reason, or a fault."""
    (tmp_path / path.name).write_bytes(path.read_bytes())
    listing = list_dicom(tmp_path)
    assert bool(listing.images) + bool(listing.no_images) + bool(listing.untrusted) == 1
    if not listing.images:
        return
    dataset = dcmread(path, force=True)
    if not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if dataset.is_implicit_VR else ExplicitVRLittleEndian
    witness = pixel_array(dataset)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        witness = apply_color_lut(witness, dataset)
    if witness.dtype.itemsize == 2 and dataset.PhotometricInterpretation == "PALETTE COLOR":
        witness = witness >> 8
    found = [read_dicom(image).data for image in listing.images]
    if len(found) == 1 and found[0].ndim == 4:
        np.testing.assert_array_equal(np.sort(found[0], axis=None), np.sort(witness, axis=None))
        return
    frames = witness if dataset.get("NumberOfFrames", 1) not in (1, None) else witness[None]
    for number, image in enumerate(listing.images):
        frame = frames[int(image.key.removeprefix("frame ") or 1) - 1]
        np.testing.assert_array_equal(found[number], frame[None] if frame.ndim == 2 else frame.transpose(2, 0, 1))


def test_a_header_that_makes_no_sense_is_one_sentence(tmp_path) -> None:
    dataset = film()
    item = Dataset()
    item.add_new(0x00283002, "US", [4, 0])
    dataset.ModalityLUTSequence = [item]
    write(tmp_path / "a.dcm", dataset)
    with pytest.raises(DataError, match=r"a\.dcm: its header says nothing sensible of its pixels"):
        read_dicom(list_dicom(tmp_path).images[0])


def test_more_bits_stored_than_there_are(tmp_path) -> None:
    stored = stored_of(tmp_path, film(bits=300, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(stored.data[0], 65535 - RAMP)
