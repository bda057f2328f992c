"""Every format keeps every level: what other libraries wrote is read back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_inspection import Inspection
from PIL import Image

from labelfree.domain import Row, Sample
from labelfree.errors import DataError


def read(path: Path, **keys: Any) -> Sample:
    return Inspection(**keys).read(Row(path.name, path))


def numbers(*shape: int, bits: int = 8, seed: int = 0) -> np.ndarray:
    dtype = np.uint8 if bits <= 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 2**bits, shape).astype(dtype)


def same(sample: Sample, data: np.ndarray) -> bool:
    """Whether a sample holds exactly (rows, columns[, samples])."""
    found = sample.data.numpy()
    wanted = data[None] if data.ndim == 2 else np.moveaxis(data, -1, 0)
    return found.dtype == wanted.dtype.newbyteorder("=") and np.array_equal(found, wanted)


@settings(max_examples=20, deadline=None)
@given(
    bits=st.sampled_from([8, 9, 10, 12, 14, 16]),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    colours=st.sampled_from([1, 3]),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    compression=st.sampled_from([None, "lzw", "deflate", "zstd"]),
    tiled=st.booleans(),
    planar=st.booleans(),
    seed=st.integers(0, 99),
)
def test_tiff(tmp_path_factory, bits, rows, columns, colours, order, big, compression, tiled, planar, seed) -> None:
    """Packed or not, either byte order, strips or tiles, planes or not; `tifffile` wrote it."""
    data = numbers(rows, columns, bits=bits, seed=seed) if colours == 1 else numbers(rows, columns, 3, bits=bits, seed=seed)
    packed = {} if bits in (8, 16) else {"bitspersample": bits}
    told: dict[str, Any] = {"photometric": "minisblack" if colours == 1 else "rgb"}
    if colours == 3 and planar:
        told["planarconfig"] = "separate"
    if tiled and not packed:
        told["tile"] = (16, 16)
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    stored = np.moveaxis(data, -1, 0) if "planarconfig" in told else data
    order = "<" if packed else order  # `tifffile` swaps the bytes of packed numbers that it writes as big-endian
    tifffile.imwrite(path, stored, byteorder=order, bigtiff=big, compression=None if packed else compression, **packed, **told)
    assert same(read(path, colour="stored"), data)


def test_packed_numbers_stand_alike_in_either_byte_order(tmp_path: Path) -> None:
    """The format packs from the highest bit on, whatever its byte order."""
    data = numbers(11, 13, bits=12)
    for order in "<>":
        tifffile.imwrite(tmp_path / f"{order}.tif", data, byteorder=order, bitspersample=12, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "<.tif") as little, tifffile.TiffFile(tmp_path / ">.tif") as big:
        little.filehandle.seek(little.pages[0].dataoffsets[0])
        packed = little.filehandle.read(little.pages[0].databytecounts[0])
        at = big.pages[0].dataoffsets[0]
    content = bytearray((tmp_path / ">.tif").read_bytes())
    content[at : at + len(packed)] = packed
    (tmp_path / "a.tif").write_bytes(content)
    assert same(read(tmp_path / "a.tif"), data)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_png(tmp_path: Path, bits: int, samples: int) -> None:
    """Gray and colours of either depth; an opaque last sample is no channel."""
    data = numbers(21, 17, samples, bits=bits)
    if samples in (2, 4):
        data[..., -1] = 2**bits - 1
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data if samples > 1 else data[..., 0]))
    sample = read(tmp_path / "a.png")
    assert same(sample, data[..., : 1 if samples < 3 else 3]) and sample.measured is None
    assert sample.channels == (("gray",) if samples < 3 else ("red", "green", "blue"))
    assert sample.unit == ("of 255" if bits == 8 else "grey levels") and set(sample.scale) == {1.0}


@pytest.mark.parametrize("samples", [2, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_what_is_transparent_is_not_measured(tmp_path: Path, bits: int, samples: int) -> None:
    data = numbers(20, 16, samples, bits=bits)
    data[..., -1] = 2**bits - 1
    data[:5, :, -1] = 0
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    measured = read(tmp_path / "a.png").measured
    assert measured is not None and not measured[:5].any() and measured[5:].all()


def test_a_gamma_and_a_profile_change_no_level(tmp_path: Path) -> None:
    from PIL import ImageCms
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add(b"gAMA", (45455).to_bytes(4, "big"))
    data = numbers(20, 16)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(data).save(tmp_path / "a.png", pnginfo=chunks, icc_profile=profile)
    assert same(read(tmp_path / "a.png"), data)


@pytest.mark.parametrize("ending", ["bmp", "png", "tif"])
def test_palettes_become_what_they_mean(tmp_path: Path, ending: str) -> None:
    """Colours, and one channel where every entry is gray."""
    picture = Image.fromarray(numbers(20, 16, 3)).quantize(16)
    picture.save(tmp_path / f"a.{ending}")
    assert same(read(tmp_path / f"a.{ending}"), np.array(picture.convert("RGB")))
    gray = Image.fromarray(numbers(20, 16) // 16)
    gray.putpalette([value for level in range(256) for value in (255 - level,) * 3])
    gray.save(tmp_path / f"b.{ending}")
    assert same(read(tmp_path / f"b.{ending}"), 255 - np.array(gray))


@pytest.mark.parametrize("ending", ["bmp", "png", "tif", "pbm"])
def test_one_bit_is_two_levels(tmp_path: Path, ending: str) -> None:
    data = numbers(13, 11, bits=1).astype(bool)
    Image.fromarray(data).save(tmp_path / f"a.{ending}")
    sample = read(tmp_path / f"a.{ending}")
    assert same(sample, data.astype(np.uint8)) and np.array_equal(sample.physical()[0], 255 * data) and sample.unit == "of 255"


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("kind", [b"P5", b"P6"])
def test_netpbm_is_not_stretched(tmp_path: Path, kind: bytes, bits: int) -> None:
    data = numbers(14, 9, bits=bits) if kind == b"P5" else numbers(14, 9, 3, bits=bits)
    head = kind + b"\n# a camera\n9 14\n%d\n" % (2**bits - 1)
    (tmp_path / "a.pgm").write_bytes(head + data.astype(">u2" if bits > 8 else "u1").tobytes())
    assert same(read(tmp_path / "a.pgm"), data)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("kind", [b"P2", b"P3"])
def test_netpbm_in_words_is_not_stretched(tmp_path: Path, kind: bytes, bits: int) -> None:
    data = numbers(14, 9, bits=bits) if kind == b"P2" else numbers(14, 9, 3, bits=bits)
    words = " ".join(map(str, data.ravel().tolist())).encode()
    (tmp_path / "a.pgm").write_bytes(kind + b"\n# a script\n9 14\n%d\n" % (2**bits - 1) + words + b" # the end\n")
    assert same(read(tmp_path / "a.pgm"), data)
    (tmp_path / "b.pgm").write_bytes(kind + b" 9 14 %d " % (2**bits - 1) + words[: len(words) // 2])
    with pytest.raises(DataError, match=r"b\.pgm: ends before its pixels do"):
        read(tmp_path / "b.pgm")


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_jpeg_2000_without_loss(tmp_path: Path, bits: int) -> None:
    data = numbers(40, 33, bits=bits)
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(data, level=0))
    assert same(read(tmp_path / "a.jp2"), data)


def test_jpeg_of_12_bits_keeps_its_range(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (64, 1))
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg_encode(ramp, level=100, bitspersample=12))
    found = read(tmp_path / "a.jpg")
    assert found.data.numpy().dtype == np.uint16 and np.abs(found.data[0].numpy().astype(int) - ramp).max() < 20


@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_gray_jpeg_and_one_of_colours(tmp_path: Path, subsampling: int) -> None:
    gray = Image.fromarray(numbers(32, 24))
    gray.save(tmp_path / "a.jpg", quality=95)
    assert same(read(tmp_path / "a.jpg"), np.array(Image.open(tmp_path / "a.jpg")))
    gray.convert("RGB").save(tmp_path / "b.jpg", quality=95, subsampling=subsampling)
    assert read(tmp_path / "b.jpg").channels == ("gray",)  # three equal channels


def test_jpeg_inside_tiff(tmp_path: Path) -> None:
    smooth = np.stack([np.add.outer(np.arange(64), np.arange(64)) % 200 + offset for offset in (0, 20, 40)], -1).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", smooth, compression="jpeg", compressionargs={"level": 95}, photometric="rgb")
    assert np.abs(read(tmp_path / "a.tif").data.numpy().transpose(1, 2, 0).astype(int) - smooth).mean() < 8


def test_zero_that_is_white_is_turned_over(tmp_path: Path) -> None:
    data = numbers(12, 10, bits=8)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="miniswhite")
    sample = read(tmp_path / "a.tif")
    assert same(sample, 255 - data) and "WhiteIsZero" in sample.notes[0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_holes_of_a_height_map_are_not_measured(tmp_path: Path, dtype: str) -> None:
    heights = np.random.default_rng(0).normal(3, 1, (30, 20)).astype(dtype)
    heights[4:9, 3:7] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", heights)
    np.save(tmp_path / "b.npy", heights)
    for name in ("a.tif", "b.npy"):
        sample = read(tmp_path / name)
        assert sample.unit == "stored" and sample.measured is not None
        assert np.array_equal(sample.measured, ~np.isnan(heights))
        assert np.array_equal(sample.data[0], heights, equal_nan=True)
        assert Inspection().preview(sample).any() and "NaN" in sample.notes[0]


def test_a_number_can_stand_for_no_measurement(tmp_path: Path) -> None:
    heights = np.random.default_rng(0).normal(3, 1, (30, 20)).astype(np.float32)
    heights[:3] = -9999
    tifffile.imwrite(tmp_path / "a.tif", heights)
    measured = read(tmp_path / "a.tif", nodata=-9999).measured
    assert measured is not None and not measured[:3].any() and measured[3:].all()
    tifffile.imwrite(tmp_path / "b.tif", heights, extratags=[(42113, "s", 0, "-9999", True)])
    assert np.array_equal(read(tmp_path / "b.tif").measured, measured)  # GDAL's tag says it


@pytest.mark.parametrize("gap", [-3.4028235e38, 3.4028235e38, 1.70141e38])
def test_what_programs_write_into_gaps_is_no_height(tmp_path: Path, gap: float) -> None:
    heights = np.random.default_rng(0).normal(3, 1, (30, 20)).astype(np.float32)
    heights[:3] = gap
    tifffile.imwrite(tmp_path / "a.tif", heights)
    sample = read(tmp_path / "a.tif")
    assert sample.measured is not None and not sample.measured[:3].any() and sample.measured[3:].all()
    assert sample.data.max() < 10 and "beyond 1e38" in sample.notes[0]


@pytest.mark.parametrize(("dtype", "gap"), [("float32", -9999), ("float32", 0), ("int16", -32768)])
def test_a_number_far_below_all_others_is_settled_as_a_gap(tmp_path: Path, dtype: str, gap: float) -> None:
    rows = []
    for number in range(5):
        heights = np.random.default_rng(number).normal(3000, 30, (30, 20)).astype(dtype)
        heights[: 3 * (number % 2)] = gap
        tifffile.imwrite(tmp_path / f"{number}.tif", heights)
        rows.append(Row(f"{number}.tif", tmp_path / f"{number}.tif"))
    keys = Inspection().settling(map(Inspection().read, rows))
    assert keys["nodata"].value == gap and "2 of 5 images" in keys["nodata"].reason
    measured = Inspection(nodata=keys["nodata"].value).read(rows[1]).measured
    assert measured is not None and not measured[:3].any() and measured[3:].all()


def test_heights_without_gaps_settle_none(tmp_path: Path) -> None:
    rows = []
    for number in range(4):
        heights = np.random.default_rng(number).normal(3, 1, (30, 20)).astype(np.float32)
        heights[0, 0] = -9999 if number == 0 else heights[0, 0]  # a single pixel of one image says nothing
        tifffile.imwrite(tmp_path / f"{number}.tif", heights)
        rows.append(Row(f"{number}.tif", tmp_path / f"{number}.tif"))
    assert not Inspection().settling(map(Inspection().read, rows))


def test_lightness_is_no_red(tmp_path: Path) -> None:
    Image.fromarray(numbers(12, 10, 3)).convert("LAB").save(tmp_path / "a.tif")
    assert read(tmp_path / "a.tif").channels == ("lightness", "green to red", "blue to yellow")


def test_pages_are_channels_or_one_is_taken(tmp_path: Path) -> None:
    data = numbers(3, 20, 16, bits=12)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack")
    sample = read(tmp_path / "a.tif")
    assert sample.channels == ("page 1", "page 2", "page 3") and np.array_equal(sample.data, data)
    assert "3 pages" in sample.notes[0] and "reader.page=1" in sample.notes[0]
    assert same(read(tmp_path / "a.tif", page=2), data[1])
    named = read(tmp_path / "a.tif", channels=["left", "right", "top"])
    assert named.channels == ("left", "right", "top")
    with pytest.raises(DataError, match=r"a\.tif.* 3 pages.*page 4"):
        read(tmp_path / "a.tif", page=4)
    with pytest.raises(DataError, match=r"a\.tif: 3 channels.*names 2"):
        read(tmp_path / "a.tif", channels=["left", "right"])


@pytest.mark.parametrize("first", [False, True])
def test_a_preview_is_no_page(tmp_path: Path, first: bool) -> None:
    data = numbers(40, 32, bits=12)
    pages = [data[::4, ::4], data] if first else [data, data[::4, ::4]]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page, subfiletype=int(page is not data), metadata=None)
    sample = read(tmp_path / "a.tif")
    assert same(sample, data) and not sample.notes


def test_pages_of_another_kind_are_told(tmp_path: Path) -> None:
    data = numbers(40, 32, bits=12)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in (data, data[:, :9], data.astype(np.uint8)):
            file.write(page, metadata=None)
    sample = read(tmp_path / "a.tif")
    assert same(sample, data) and "another size or type" in sample.notes[0]


def test_a_stack_of_many_pages_asks_which(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", numbers(40, 8, 8), photometric="minisblack", imagej=True)
    with pytest.raises(DataError, match=r"a\.tif: holds 40 pages.*reader\.page=1"):
        read(tmp_path / "a.tif")


def test_content_goes_before_the_name(tmp_path: Path) -> None:
    data = numbers(16, 12)
    Image.fromarray(data).save(tmp_path / "a.bmp")
    (tmp_path / "a.bmp").rename(tmp_path / "a.PNG")
    assert same(read(tmp_path / "a.PNG"), data)


def test_what_is_broken_is_named(tmp_path: Path) -> None:
    Image.fromarray(numbers(64, 64)).save(tmp_path / "whole.png")
    (tmp_path / "whole.tif").write_bytes(b"")
    tifffile.imwrite(tmp_path / "whole.tif", numbers(64, 64, bits=16))
    for name in ("whole.png", "whole.tif"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / f"cut_{name}").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    for name, what in (
        ("cut_whole.png", "broken"),
        ("cut_whole.tif", "broken"),
        ("empty.png", "is empty"),
        ("text.png", "no picture of a kind"),
        ("absent.png", "no such file"),
    ):
        with pytest.raises(DataError, match=rf"{name}: .*{what}"):
            read(tmp_path / name)


def test_a_missing_package_is_a_sentence_and_no_other_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(numbers(8, 8, 3, bits=16)))
    tifffile.imwrite(tmp_path / "a.tif", numbers(8, 8))
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    for name, package in (("a.png", "imagecodecs"), ("a.tif", "tifffile")):
        with pytest.raises(DataError, match=rf"{name}: {package} is needed.*pip install 'labelfree\[inspection\]'"):
            read(tmp_path / name)


@pytest.mark.parametrize("shape", [(64, 6000), (20, 30), (1, 1)])
def test_any_size(tmp_path: Path, shape: tuple[int, int]) -> None:
    data = numbers(*shape)
    Image.fromarray(data).save(tmp_path / "a.png")
    row = Row("a.png", tmp_path / "a.png")
    assert same(read(tmp_path / "a.png"), data)
    frame = Inspection().frame(row)
    assert frame is not None and tuple(frame.data.shape) == (0, *shape)


def test_a_large_scan_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own `open` refuses it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = numbers(40, 30)
    Image.fromarray(data).save(tmp_path / "a.png")
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "a.png")
    assert same(read(tmp_path / "a.png"), data)
