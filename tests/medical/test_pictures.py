"""Pictures of 8 and 16 bits: depth, transparency, orientation, and stacks of pages, as other libraries write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tifffile
from labelfree_medical.files import list_files, read_file
from labelfree_medical.files.pictures import ORIENTATION, upright
from labelfree_medical.stored import Stored
from PIL import Image, ImageOps

from labelfree.errors import DataError


def numbers(*shape: int, dtype: str = "uint8", most: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(3, most, shape).astype(dtype)


def alone(path: Path) -> Stored:
    (image,) = list_files(path).images
    return read_file(image)


def physical(stored: Stored) -> np.ndarray:
    return stored.data * np.reshape(stored.scale, (-1,) + (1,) * (stored.data.ndim - 1))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_keeps_them(tmp_path: Path, channels: int) -> None:
    data = numbers(24, 20, channels, dtype="uint16", most=4096)
    if channels in (2, 4):
        data[..., -1] = 65_535
    image = SimpleITK.GetImageFromArray(data if channels > 1 else data[..., 0], isVector=channels > 1)
    SimpleITK.WriteImage(image, str(tmp_path / "a.png"))
    stored = alone(tmp_path / "a.png")
    colours = 3 if channels > 2 else 1
    assert stored.data.dtype == np.uint16 and np.array_equal(stored.data, data[..., :colours].transpose(2, 0, 1))
    assert stored.unit == "stored" and stored.scale == (1.0,) * colours and stored.measured is None


def test_pillow_writes_16_bits_of_gray_too(tmp_path: Path) -> None:
    data = numbers(24, 20, dtype="uint16", most=65_536)
    Image.fromarray(data).save(tmp_path / "a.png")
    assert np.array_equal(alone(tmp_path / "a.png").data[0], data)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1"])
def test_png_of_8_bits_is_gray_or_colour(tmp_path: Path, mode: str) -> None:
    colour = mode in ("RGB", "RGBA", "P")
    picture = Image.fromarray(numbers(24, 20, 3) if colour else numbers(24, 20)).convert(mode)
    picture.save(tmp_path / "a.png")
    stored = alone(tmp_path / "a.png")
    witness = np.array(picture.convert("RGB" if colour else "L"))
    assert np.array_equal(stored.data, witness.transpose(2, 0, 1) if colour else witness[None])
    assert stored.unit == "display" and np.isclose(physical(stored).max(), witness.max() / 255)


def test_what_is_transparent_was_not_measured(tmp_path: Path) -> None:
    data, alpha = numbers(24, 20, 3), np.full((24, 20), 255, dtype="uint8")
    alpha[:6] = 0
    Image.fromarray(np.dstack([data, alpha])).save(tmp_path / "a.png")
    assert np.array_equal(alone(tmp_path / "a.png").measured, alpha == 255)
    Image.fromarray(np.dstack([data, 0 * alpha])).save(tmp_path / "b.png")
    assert alone(tmp_path / "b.png").measured is None  # nobody meant to hide all of it


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_orientation_is_honoured(tmp_path: Path, orientation: int, ending: str) -> None:
    data = np.kron(numbers(3, 4), np.ones((8, 8), dtype="uint8"))
    picture = Image.fromarray(data)
    picture.getexif()[ORIENTATION] = orientation
    witness = np.array(ImageOps.exif_transpose(picture))
    if ending == "tif":  # Pillow garbles those that lie as it reads them
        tifffile.imwrite(tmp_path / "a.tif", data, extratags=[(ORIENTATION, "H", 1, orientation, True)])
    else:
        picture.save(tmp_path / f"a.{ending}", exif=picture.getexif(), **({"quality": 100} if ending == "jpg" else {}))
    assert np.array_equal(alone(tmp_path / f"a.{ending}").data[0], witness)


def test_numbers_that_are_no_orientation_turn_nothing() -> None:
    data = numbers(3, 4)
    assert all(np.array_equal(upright(data, number), data) for number in (0, 1, 9))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int16", "uint32"])
@pytest.mark.parametrize("packing", [None, "zlib", "lzw"])
def test_tiff_of_any_depth(tmp_path: Path, dtype: str, packing: str | None) -> None:
    if packing == "lzw":
        pytest.importorskip("imagecodecs")
    data = numbers(24, 20, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, compression=packing)
    stored = alone(tmp_path / "a.tif")
    assert np.array_equal(stored.data[0], data) and stored.data.dtype == dtype
    assert stored.unit == ("display" if dtype == "uint8" else "stored")


def test_a_codec_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: object, **__: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    tifffile.imwrite(tmp_path / "a.tif", numbers(24, 20))
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", without)
    with pytest.raises(DataError, match=r"a\.tif: imagecodecs is needed to decode it; pip install imagecodecs"):
        alone(tmp_path / "a.tif")


def test_tiff_colours_transparency_and_white_as_zero(tmp_path: Path) -> None:
    data = numbers(24, 20, 4, dtype="uint16", most=65_536)
    tifffile.imwrite(tmp_path / "rgba.tif", data, photometric="rgb", extrasamples=["unassalpha"])
    stored = alone(tmp_path / "rgba.tif")
    assert stored.channels == ("red", "green", "blue") and np.array_equal(stored.data, data[..., :3].transpose(2, 0, 1))
    assert np.array_equal(stored.measured, data[..., 3] >= 65_535 / 2)
    tifffile.imwrite(tmp_path / "white.tif", data[..., 0], photometric="miniswhite")
    assert np.array_equal(alone(tmp_path / "white.tif").data[0], 65_535 - data[..., 0])
    Image.fromarray(numbers(24, 20, 3)).convert("P").save(tmp_path / "p.tif")
    with Image.open(tmp_path / "p.tif") as palette:
        assert np.array_equal(alone(tmp_path / "p.tif").data, np.array(palette.convert("RGB")).transpose(2, 0, 1))
    Image.fromarray(numbers(24, 20) > 100).save(tmp_path / "bits.tif")
    assert np.array_equal(alone(tmp_path / "bits.tif").data[0], 255 * (numbers(24, 20) > 100))


@pytest.mark.parametrize(
    ("axes", "kind", "shape"), [("ZYX", "volume", (1, 5, 24, 20)), ("CYX", "picture", (5, 24, 20)), (None, "volume", (1, 5, 24, 20))]
)
def test_pages_are_what_the_file_says(tmp_path: Path, axes: str | None, kind: str, shape: tuple[int, ...]) -> None:
    data = numbers(5, 24, 20, dtype="uint16")
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=axes is not None, photometric="minisblack", metadata={"axes": axes} if axes else None)
    (image,) = list_files(tmp_path).images
    stored = read_file(image)
    assert image.kind == kind and stored.data.shape == shape and np.array_equal(stored.data.reshape(data.shape), data)


def test_times_of_a_tiff_are_images(tmp_path: Path) -> None:
    data = numbers(3, 24, 20, dtype="uint16")
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "TYX"})
    images = list_files(tmp_path).images
    assert [(image.key, image.kind) for image in images] == [(f"time[{number}]", "picture") for number in range(3)]
    assert np.array_equal(read_file(images[1]).data[0], data[1])


@pytest.mark.parametrize("ending", ["png", "deep.png", "jpg", "tif", "packed.tif", "bmp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.4, 0.9])
def test_what_is_cut_short_is_named(tmp_path: Path, ending: str, share: float) -> None:
    path = tmp_path / f"a.{ending}"
    if ending.endswith("tif"):
        tifffile.imwrite(path, numbers(64, 64), compression="zlib" if "packed" in ending else None)
    else:
        Image.fromarray(numbers(64, 64, dtype="uint16" if "deep" in ending else "uint8")).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    found = list_files(path)
    if found.untrusted:
        assert path.name in found.untrusted[0].sentence
    else:
        with pytest.raises(DataError, match=path.name):
            read_file(found.images[0])
