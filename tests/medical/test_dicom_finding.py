"""DICOM is found by content; what is broken is named; headers are read once."""

from __future__ import annotations

import contextlib
import gzip
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_medical.dicom import header_index, list_dicom, read_dicom
from labelfree_medical.dicom.finding import HEAD, looks_like_dicom
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from labelfree.errors import DataError
from tests.medical.dicom_writing import header, slice_at, with_pixels, write, write_stack

HEIGHTS = (0.0, 2.5, 5.0, 7.5)
pytestmark = pytest.mark.usefixtures("own_cache")


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_other_bytes_are_no_dicom(content) -> None:
    assert looks_like_dicom(content) == (content[128:132] == b"DICM") or content[:1] in (b"\x02", b"\x08", b"\x00")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 and more", b"\x89PNG\r\n\x1a\n" + bytes(200), b"II*\0\x08\0\0\0" + bytes(200), b"\x08\0 a text" * 20, bytes(400)],
)
def test_known_beginnings_are_no_dicom(content) -> None:
    assert not looks_like_dicom(content[:HEAD])


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_way_of_writing_is_found_and_read(tmp_path, syntax) -> None:
    pixels = np.arange(30, dtype=np.int16).reshape(6, 5) - 7
    for z in HEIGHTS:
        dataset = slice_at((0, 0, z), pixels)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = pixels.astype(">i2").tobytes()
        write(tmp_path / f"file {z}", dataset, syntax)
    listing = list_dicom(tmp_path)
    assert not listing.untrusted
    stored = read_dicom(listing.images[0])
    assert stored.data.dtype == np.int16
    np.testing.assert_array_equal(stored.data[0, 0], pixels)


def test_files_without_preamble_are_found_and_read(tmp_path) -> None:
    for number, z in enumerate(HEIGHTS):
        write(tmp_path / f"1.2.840.{number}", slice_at((0, 0, z)), bare=True)
    listing = list_dicom(tmp_path)
    assert read_dicom(listing.images[0]).data.shape == (1, 4, 6, 5)


def test_names_that_are_not_ascii(tmp_path) -> None:
    write_stack(tmp_path / "Müller Łódź", HEIGHTS, names="脳{}", PatientID="Ünal^Ayşe", SpecificCharacterSet="ISO_IR 192")
    (image,) = list_dicom(tmp_path).images
    assert image.patient == "Ünal^Ayşe" and len(image.files) == 4


@pytest.mark.parametrize("cut", [1, 20, 59])
def test_a_cut_slice_is_named_and_its_series_left_out(tmp_path, cut) -> None:
    files = write_stack(tmp_path, HEIGHTS)
    files[2].write_bytes(files[2].read_bytes()[:-cut])
    listing = list_dicom(tmp_path)
    assert not listing.images
    assert "IM0003.dcm: ends before its pixels do" in listing.untrusted[0].sentence
    assert set(listing.untrusted[0].files) == set(files)


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 0.999))
def test_a_file_cut_anywhere_is_never_an_image(tmp_path_factory, share) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = write(folder / "a.dcm", slice_at((0, 0, 0)))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    listing = list_dicom(folder)
    assert not listing.images
    assert [fault.files for fault in listing.untrusted] == [(path,)]
    assert "Traceback" not in listing.untrusted[0].sentence


def test_cut_fragments_and_lost_frames_are_named(tmp_path) -> None:
    for name in ("whole", "cut"):
        dataset = slice_at((0, 0, 0), series=f"1.{len(name)}")
        write(tmp_path / name, dataset)
        dataset.compress(RLELossless)
        dataset.save_as(tmp_path / name)
    (tmp_path / "cut").write_bytes((tmp_path / "cut").read_bytes()[:-20])
    listing = list_dicom(tmp_path)
    assert [image.path.name for image in listing.images] == ["whole"]
    assert "cut: ends before its pixels do" in listing.untrusted[0].sentence


def test_an_empty_file_that_is_named_after_its_uid_is_told(tmp_path) -> None:
    write_stack(tmp_path, HEIGHTS, names="1.2.840.99.{}")
    (tmp_path / "1.2.840.99.5").touch()
    (tmp_path / "notes.txt").touch()
    assert [each.files[0].name for each in list_dicom(tmp_path).untrusted] == ["1.2.840.99.5"]


def test_empty_and_misnamed_files(tmp_path) -> None:
    write_stack(tmp_path / "cd", HEIGHTS, names="I{}")
    for name in ("cd/I9", "a.dcm", "elsewhere/I9", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "page.dcm").write_text("<html>not found</html>")
    (tmp_path / "cd" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 40)
    listing = list_dicom(tmp_path)
    assert [fault.files[0].name for fault in listing.untrusted] == ["a.dcm", "I9", "page.dcm"]
    assert "empty" in listing.untrusted[0].sentence and "no DICOM" in listing.untrusted[2].sentence
    assert not listing.no_images


def test_archives_and_directories_are_named(tmp_path) -> None:
    files = write_stack(tmp_path / "cd", HEIGHTS, names="I{}")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(files[0], "IM1")
    for name, how in (("export.tar", "w"), ("export.tgz", "w:gz")):
        with tarfile.open(tmp_path / name, how) as tar:
            tar.add(files[0], "IM1")
    (tmp_path / "IM1.dcm.gz").write_bytes(gzip.compress(files[0].read_bytes()))
    with zipfile.ZipFile(tmp_path / "papers.zip", "w") as archive:
        archive.writestr("a.txt", "text" * 100)
    (tmp_path / "broken.zip").write_bytes(b"PK")
    (tmp_path / "broken.gz").write_bytes(gzip.compress(b"text")[:9])
    write(tmp_path / "cd" / "DICOMDIR", header("1.2.840.10008.1.3.10", ""))
    reasons = {each.files[0].name: each.reason for each in list_dicom(tmp_path).no_images}
    assert set(reasons) == {"export.zip", "export.tar", "export.tgz", "IM1.dcm.gz", "DICOMDIR"}
    assert "unpack" in reasons["export.zip"] and "DICOMDIR" in reasons["DICOMDIR"]


def test_unknown_syntaxes_and_videos_are_named(tmp_path) -> None:
    for name, syntax in (("video", "1.2.840.10008.1.2.4.102"), ("private", "1.2.3.4.5")):
        dataset = slice_at((0, 0, 0), series=f"1.{len(name)}")
        write(tmp_path / name, dataset)
        content = (tmp_path / name).read_bytes()
        old = ExplicitVRLittleEndian.encode() + b"\0"
        assert old in content
        padded = syntax.encode() + b"\0" * (len(syntax) % 2)
        head = content.replace(b"UI" + len(old).to_bytes(2, "little") + old, b"UI" + len(padded).to_bytes(2, "little") + padded, 1)
        (tmp_path / name).write_bytes(head)
    sentences = {fault.files[0].name: fault.sentence for fault in list_dicom(tmp_path).untrusted}
    assert "is a video" in sentences["video"]
    assert "1.2.3.4.5" in sentences["private"]


def test_a_missing_decoder_is_one_sentence(tmp_path, monkeypatch) -> None:
    from labelfree_medical.dicom.syntaxes import syntax_fault
    from pydicom.pixels.decoders import JPEG2000LosslessDecoder, JPEGLosslessSV1Decoder

    syntax_fault.cache_clear()
    for decoder in (JPEG2000LosslessDecoder, JPEGLosslessSV1Decoder):
        monkeypatch.setattr(decoder, "_available", {})
    assert syntax_fault("1.2.840.10008.1.2.4.90").endswith("pip install pylibjpeg pylibjpeg-openjpeg")
    assert syntax_fault("1.2.840.10008.1.2.4.70").endswith("pip install python-gdcm")
    syntax_fault.cache_clear()


def test_headers_are_read_once_and_again_where_a_file_changed(tmp_path, monkeypatch, own_cache) -> None:
    files = write_stack(tmp_path, HEIGHTS)
    first = list_dicom(tmp_path)
    read = []
    monkeypatch.setattr(header_index, "read_header", lambda path: read.append(path) or original(path))
    from labelfree_medical.dicom.headers import read_header as original

    assert list_dicom(tmp_path) == first and not read
    write(files[1], slice_at((-10, -20, 2.5), SeriesDescription="changed since"))
    list_dicom(tmp_path)
    assert read == [files[1]]
    (kept,) = (own_cache / "dicom_headers").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text("{ broken")
    assert len(list_dicom(tmp_path).images) == 1


def test_a_kept_header_is_the_same_header(tmp_path, monkeypatch) -> None:
    write_stack(tmp_path, HEIGHTS, EchoTime=3.5, PatientID="Ü")
    write(tmp_path / "film", with_pixels(header("1.2.840.10008.5.1.4.1.1.1", "CR"), np.zeros((4, 3), np.uint16)))
    assert header_index.headers_under(tmp_path) == header_index.headers_under(tmp_path)


def test_a_file_that_vanished_is_named(tmp_path) -> None:
    files = write_stack(tmp_path, HEIGHTS)
    (image,) = list_dicom(tmp_path).images
    files[1].unlink()
    with pytest.raises(DataError, match="IM0002.dcm: there is no such file"):
        read_dicom(image)


@pytest.fixture(scope="module")
def sound_bytes(tmp_path_factory) -> bytes:
    """One slice's file: its UIDs are random, and so is its length."""
    return write(tmp_path_factory.mktemp("sound") / "a.dcm", slice_at((0, 0, 0))).read_bytes()


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_broken_bytes_are_an_image_or_a_sentence(tmp_path_factory, sound_bytes, data) -> None:
    folder = tmp_path_factory.mktemp("broken")
    path, content = folder / "a.dcm", bytearray(sound_bytes)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(132, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path.write_bytes(content)
    listing = list_dicom(folder)
    assert bool(listing.images) + bool(listing.no_images) + bool(listing.untrusted) == 1
    for image in listing.images[:2]:
        with contextlib.suppress(DataError):
            read_dicom(image)
