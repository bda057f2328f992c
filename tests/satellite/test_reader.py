"""What comes out of files: real ones, and small ones written here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from labelfree_satellite import Satellite
from PIL import Image
from rasterio.transform import Affine

from labelfree.data.content import content_key
from labelfree.domain import Domain, Row, Sample, Window, spacing_of
from labelfree.errors import DataError
from tests.satellite.files import SENTINEL, numbers, row, write_tif

EUROSAT = [*(name for name in SENTINEL if name != "B8A"), "B8A"]


def test_satellite_fulfils_the_contract() -> None:
    assert isinstance(Satellite(), Domain)


def alone(code: str) -> str:
    """What a new interpreter prints, on both streams."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, env=environment
    ).stdout


def test_making_a_domain_imports_nothing_heavy() -> None:
    heavy = "[m for m in ('torch', 'rasterio', 'PIL', 'numpy') if m in sys.modules]"
    assert alone(f"import sys, labelfree_satellite as s; s.Satellite(sensor='naip'); print({heavy})") == "[]\n"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("count", [1, 4, 13])
def test_stored_dtype_and_numbers_are_kept(tmp_path: Path, dtype: str, count: int) -> None:
    data = numbers(count, dtype)
    sample = Satellite().read(row(write_tif(tmp_path / "a.tif", data)))
    assert sample.data.dtype == getattr(torch, dtype)
    assert np.array_equal(sample.data.numpy(), data)


def test_place_and_spacing(tmp_path: Path) -> None:
    sample = Satellite().read(row(write_tif(tmp_path / "a.tif", numbers(2))))
    assert sample.crs == "EPSG:32632" and sample.spacing == (10.0, 10.0)
    assert sample.bounds == (500_000.0, 5_299_920.0, 500_080.0, 5_300_000.0)


def ground(sample: Sample, row: float, column: float) -> tuple[float, ...]:
    """Where a pixel's centre lies, by the affine map."""
    assert sample.affine is not None
    return tuple(float(number) for number in np.array(sample.affine) @ (row, column, 1))


def test_the_affine_map_leads_from_centres_of_pixels_to_the_ground(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", numbers(2))
    whole = Satellite().read(row(path))
    assert ground(whole, 0, 0) == (500_005, 5_299_995, 1) and ground(whole, 7, 2) == (500_025, 5_299_925, 1)
    part = Satellite().read(replace(row(path), window=Window((3, 2), (4, 5))))
    assert ground(part, 0, 0) == ground(whole, 3, 2) and spacing_of(part.affine or ()) == part.spacing
    turned = Affine.translation(1000, 2000) @ Affine.rotation(30) @ Affine.scale(10, -5)
    sample = Satellite().read(row(write_tif(tmp_path / "b.tif", numbers(1), transform=turned)))
    np.testing.assert_allclose(ground(sample, 3, 6)[:2], turned @ (6.5, 3.5))
    np.testing.assert_allclose(spacing_of(sample.affine or ()), sample.spacing)


def test_no_coordinates_no_warning(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", numbers(2), placed=False)
    code = "from pathlib import Path; from labelfree.domain import Row; from labelfree_satellite import Satellite; "
    assert alone(code + f"s = Satellite().read(Row('a', Path({str(path)!r}))); print(s.crs, s.bounds, s.spacing)") == "None None None\n"


def test_unnamed_bands_are_numbered_and_of_unknown_unit(tmp_path: Path) -> None:
    sample = Satellite().read(row(write_tif(tmp_path / "a.tif", numbers(13))))
    assert sample.channels == tuple(f"band_{k}" for k in range(1, 14)) and sample.unit == "stored"


def test_thirteen_unnamed_bands_are_not_taken_for_the_sensor_s(tmp_path: Path) -> None:
    domain = Satellite(sensor="sentinel-2-l1c")
    sample = domain.read(row(write_tif(tmp_path / "a.tif", numbers(13))))
    assert sample.channels[0] == "band_1" and domain.rgb(sample.channels) is None
    assert sample.unit == "reflectance" and sample.scale == (1e-4,) * 13  # all bands of the sensor share one scale


def test_descriptions_are_names_in_whatever_order_they_stand(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", numbers(4), names=("B8, central wavelength 842 nm", "b4", "Green", "B02_10m"))
    sample = Satellite(sensor="sentinel-2-l2a").read(row(path))
    assert sample.channels == ("B08", "B04", "B03", "B02")


def test_wanted_bands_are_found_by_name(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", numbers(13), names=SENTINEL)
    sample = Satellite(bands=["B04", "B03", "B02"], sensor="sentinel-2-l1c").read(row(path))
    assert sample.channels == ("B04", "B03", "B02")
    assert sample.data[:, 0, 0].int().div(1000, rounding_mode="floor").tolist() == [4, 3, 2]


def test_a_band_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", numbers(12), names=tuple(name for name in SENTINEL if name != "B10"))
    with pytest.raises(DataError, match=r"a\.tif: no band B10; it holds B01, B02, .*correct reader\.bands"):
        Satellite(bands=SENTINEL, sensor="sentinel-2-l1c").read(row(path))


def test_another_count_than_the_names_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"a\.tif: 12 bands, reader\.bands \(or the card\) names 13; use reader\.bands to name what the file holds"
    ):
        Satellite(bands=SENTINEL).read(row(write_tif(tmp_path / "a.tif", numbers(12))))


def test_a_dash_leaves_a_band_out(tmp_path: Path) -> None:
    sample = Satellite(bands=["blue", "-", "red"]).read(row(write_tif(tmp_path / "a.tif", numbers(3))))
    assert sample.channels == ("blue", "red") and sample.data[1, 0, 0].item() >= 3000


def test_colour_tags_count_as_names_and_alpha_is_left_out(tmp_path: Path) -> None:
    data = numbers(4, "uint8")
    data[3] = 255
    data[3, 0] = 0
    sample = Satellite().read(row(write_tif(tmp_path / "a.tif", data, photometric="RGB", ALPHA="YES")))
    assert sample.channels == ("red", "green", "blue") and sample.unit == "display"


def test_near_infrared_that_gdal_tags_as_alpha_is_not_lost(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", numbers(4, "uint8"))  # GDAL makes RGB and alpha of four byte bands
    assert Satellite(sensor="naip").read(row(path)).channels == ("red", "green", "blue", "nir")
    sample = Satellite(bands=["red", "green", "blue", "nir"], sensor="naip").read(row(path))
    assert sample.channels == ("red", "green", "blue", "nir") and sample.scale == pytest.approx((1 / 255,) * 4)


def test_a_byte_picture_is_no_reflectance_whatever_the_sensor(tmp_path: Path) -> None:
    Image.fromarray(PIXELS[..., :3]).save(tmp_path / "a.png")
    sample = Satellite(sensor="sentinel-2-l1c").read(row(tmp_path / "a.png"))
    assert sample.channels == ("B04", "B03", "B02") and sample.unit == "display" and sample.scale == pytest.approx((1 / 255,) * 3)


def test_missing_pixels_are_masked_and_take_the_mean_of_their_band(tmp_path: Path) -> None:
    data = numbers(2, "int16")
    data[0, :2] = -9999
    sample = Satellite().read(row(write_tif(tmp_path / "a.tif", data, nodata=-9999)))
    assert sample.measured is not None and sample.empty == pytest.approx(0.25)
    assert not sample.measured[:2].any() and sample.measured[2:].all()
    assert (sample.data[0, :2] == round(data[0, 2:].mean())).all() and sample.data.min() >= 1000


def test_nan_never_leaves_the_reader(tmp_path: Path) -> None:
    data = numbers(2, "float32")
    data[0, 0, 0], data[1, 4:] = np.nan, np.inf
    sample = Satellite().read(row(write_tif(tmp_path / "a.tif", data)))
    assert sample.data.isfinite().all() and sample.measured is not None
    assert not sample.measured[0, 0] and not sample.measured[4:].any() and sample.measured[1:4].all()


def test_the_file_s_own_scale_is_used(tmp_path: Path) -> None:
    import rasterio

    path = write_tif(tmp_path / "a.tif", numbers(2))
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.01, 0.1), (1.0, 2.0)
    sample = Satellite().read(row(path))
    assert (sample.scale, sample.offset) == ((0.01, 0.1), (1.0, 2.0))
    assert sample.physical()[0].mean() == pytest.approx(11, abs=0.1)


def test_the_recipe_s_unit_goes_first(tmp_path: Path) -> None:
    sample = Satellite(unit="reflectance × 10000").read(row(write_tif(tmp_path / "a.tif", numbers(1, "int16"))))
    assert sample.unit == "reflectance" and sample.physical().mean() == pytest.approx(0.1, abs=1e-3)


def test_landsat_surface_reflectance_and_kelvin(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", np.full((2, 4, 4), 44_000, np.uint16), names=("SR_B4", "ST_B10"))
    sample = Satellite(sensor="landsat-8-9-l2").read(row(path))
    assert sample.channels == ("B4", "B10")
    assert sample.physical()[:, 0, 0].tolist() == pytest.approx([1.01, 299.39], abs=0.01)


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"slc\.tif: holds complex numbers \(complex64\), as single-look radar does; real ones are read"):
        Satellite().read(row(write_tif(tmp_path / "slc.tif", np.ones((1, 4, 4), np.complex64))))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("compress", [None, "deflate", "lzw", "zstd"])
def test_a_truncated_geotiff_is_named(tmp_path: Path, share: float, compress: str | None) -> None:
    noisy = np.random.default_rng(0).integers(0, 60_000, (5, 64, 64)).astype(np.uint16)
    whole = write_tif(tmp_path / "whole.tif", noisy, **({"compress": compress} if compress else {})).read_bytes()
    broken = tmp_path / "broken.tif"
    broken.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        DataError, match=r"broken\.tif: is truncated or broken \(.*\); fetch it again, or set data\.on_error=skip\."
    ) as caught:
        Satellite().read(row(broken))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_picture_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=rf"broken{suffix}: is truncated or broken"):
        Satellite().read(row(path))


def test_text_named_tif_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("not an image")
    with pytest.raises(DataError, match=r"a\.tif: is truncated or broken"):
        Satellite().read(row(tmp_path / "a.tif"))
    with pytest.raises(DataError, match=r"none\.tif: there is no such file"):
        Satellite().read(row(tmp_path / "none.tif"))


PIXELS = np.random.default_rng(1).integers(0, 255, (6, 7, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("image", "channels"),
    [
        (Image.fromarray(PIXELS[..., :3]), ("red", "green", "blue")),
        (Image.fromarray(PIXELS), ("red", "green", "blue")),
        (Image.fromarray(PIXELS[..., 0]), ("gray",)),
        (Image.fromarray(PIXELS[..., :2], "LA"), ("gray",)),
        (Image.fromarray(PIXELS[..., :3]).quantize(200), ("red", "green", "blue")),
    ],
    ids=["rgb", "rgba", "gray", "gray-alpha", "palette"],
)
def test_pictures_of_every_kind(tmp_path: Path, image: Image.Image, channels: tuple[str, ...]) -> None:
    image.save(tmp_path / "a.png")
    sample = Satellite().read(row(tmp_path / "a.png"))
    assert sample.channels == channels and sample.unit == "display" and sample.data.shape == (len(channels), 6, 7)
    assert sample.physical().min() >= 0 and sample.physical().max() <= 1
    expected = np.asarray(image.convert("L" if channels == ("gray",) else "RGB"))
    expected = expected[None] if expected.ndim == 2 else expected.transpose(2, 0, 1)
    shown = np.ones((6, 7), dtype=bool) if sample.measured is None else sample.measured.numpy()
    assert np.array_equal(sample.data.numpy()[:, shown], expected[:, shown])
    assert np.array_equal(shown, np.asarray(image.convert("RGBA"))[..., 3] >= 128)


def test_orthophotos_above_pillow_s_limit_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(PIXELS[..., :3]).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    sample = Satellite().read(row(tmp_path / "a.png"))
    assert sample.channels == ("red", "green", "blue") and np.array_equal(sample.data.numpy(), PIXELS[..., :3].transpose(2, 0, 1))


def test_sixteen_bit_pictures_keep_sixteen_bit(tmp_path: Path) -> None:
    import rasterio

    for count, channels in ((1, ("gray",)), (3, ("red", "green", "blue"))):
        path, data = tmp_path / f"a{count}.png", numbers(count)
        with rasterio.open(path, "w", driver="PNG", count=count, height=8, width=8, dtype="uint16") as file:
            file.write(data)
        sample = Satellite().read(row(path))
        assert sample.channels == channels and sample.data.dtype == torch.uint16 and np.array_equal(sample.data.numpy(), data)
        assert sample.unit == "display" and sample.scale[0] == pytest.approx(1 / 65535)


def test_palette_geotiff_becomes_colours(tmp_path: Path) -> None:
    import rasterio

    path = write_tif(tmp_path / "a.tif", np.full((1, 4, 4), 7, np.uint8), photometric="palette")
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {7: (10, 20, 30, 255)})
    sample = Satellite().read(row(path))
    assert sample.channels == ("red", "green", "blue") and sample.data[:, 0, 0].tolist() == [10, 20, 30]


def test_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.TIF", "a.jpg", "sub/c.png", ".hidden/d.png", "notes.txt", "a.tif.aux.xml", "sub/._c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in Satellite().files(tmp_path)] == ["a.jpg", "b.TIF", "sub/c.png"]


def test_settings_change_with_what_is_read() -> None:
    made = [
        Satellite(),
        Satellite(bands=["red"]),
        Satellite(sensor="naip"),
        Satellite(unit="reflectance"),
        Satellite(unit="reflectance × 10000"),
        Satellite(sensor="sentinel-2-l1c"),
        Satellite(sensor="sentinel-2-l1c-n0400"),
    ]
    assert len({str(domain.settings()) for domain in made}) == len(made)
    assert Satellite(bands=["B4"], sensor="sentinel-2-l1c").settings() == Satellite(bands=["B04"], sensor="sentinel-2-l1c").settings()


def test_eurosat_bands_of_real_files(real_data: Callable[[str], Path]) -> None:
    """Means that the set's SOURCE.md gives: Forest B04 about 415, B08 about 2640; B10 about 12, the last band near B08."""
    domain = Satellite(bands=EUROSAT, sensor="sentinel-2-l1c")
    samples = [domain.read(row(path)) for path in domain.files(real_data("eurosat_ms") / "Forest")[:20]]
    means = dict(zip(EUROSAT, torch.stack([sample.physical().mean((1, 2)) for sample in samples]).mean(0).tolist(), strict=True))
    assert means["B04"] == pytest.approx(0.0415, abs=0.008) and means["B08"] == pytest.approx(0.264, abs=0.03)
    assert means["B10"] < 0.003 and means["B8A"] > means["B08"] - 0.03
    assert all(sample.crs and sample.crs.startswith("EPSG:326") for sample in samples)


def test_real_pictures(real_data: Callable[[str], Path]) -> None:
    for name, side in (("eurosat_rgb", 64), ("rsicd", 224)):
        path = Satellite().files(real_data(name))[0]
        sample = Satellite().read(row(path))
        assert sample.channels == ("red", "green", "blue") and sample.unit == "display" and sample.data.shape == (3, side, side)


def test_real_signed_bands_with_some_left_out(real_data: Callable[[str], Path]) -> None:
    bands = ["coastal", "blue", "green", "red", "nir", "swir1", "swir2", *"-----"]
    domain = Satellite(bands=bands, unit="reflectance × 10000")
    sample = domain.read(row(domain.files(real_data("water_multiband") / "images")[0]))
    assert sample.data.dtype == torch.int16 and sample.data.shape == (7, 128, 128)
    assert domain.rgb(sample.channels) == (3, 2, 1) and domain.missing(sample.channels) == []
    assert sample.physical().min() > -0.2 and sample.physical().max() < 1.6


def test_a_large_raster_with_one_label_is_read_coarser(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(4096, dtype=np.uint16), (1, 4096, 4096))
    sample = Satellite().read(row(write_tif(tmp_path / "large.tif", ramp)))
    assert sample.data.shape == (1, 2048, 2048) and sample.data.dtype == torch.uint16
    np.testing.assert_allclose(sample.data[0, 7].numpy().astype(float), np.arange(2048) * 2 + 0.5, atol=0.51)
    assert sample.spacing == (20.0, 20.0) and sample.bounds == (500_000, 5_300_000 - 40_960, 540_960, 5_300_000)
    assert ground(sample, 0, 0) == (500_010, 5_299_990, 1) and spacing_of(sample.affine or ()) == (20.0, 20.0)


def test_masks_and_quality_layers_inside_a_file(tmp_path: Path) -> None:
    import rasterio

    data = np.random.default_rng(0).integers(1000, 2000, (3, 16, 16)).astype(np.uint16)
    with rasterio.open(write_tif(tmp_path / "masked.tif", data), "r+") as file:
        file.write_mask(np.repeat([[0] * 16, [255] * 16], 8, axis=0).astype(np.uint8))
    assert Satellite().read(row(tmp_path / "masked.tif")).empty == pytest.approx(0.5)
    codes = np.full((1, 16, 16), 4, dtype=np.uint16)  # vegetation
    codes[0, :4] = 9  # cloud
    export = write_tif(tmp_path / "export.tif", np.concatenate([data, codes]), names=("B2", "B3", "B4", "SCL"))
    sample = Satellite().read(row(export))
    assert sample.channels == ("B2", "B3", "B4") and sample.empty == pytest.approx(0.25)
    assert (sample.data[:, :4].float().std((1, 2)) == 0).all(), "clouds take the band's mean"


def test_images_with_masks_are_never_read_coarser(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "large.tif", np.zeros((1, 2100, 2100), dtype=np.uint8))
    assert Satellite().read(Row("large", path, mask="m.png")).data.shape == (1, 2100, 2100)
    assert Satellite().read(Row("large", path, label="a")).data.shape == (1, 2048, 2048)


def test_codes_are_never_averaged(tmp_path: Path) -> None:
    codes = np.where(np.arange(2100) % 2, 4, 9).astype(np.uint16)  # vegetation and cloud, in turns
    data = np.stack([np.full((2100, 2100), 1000, np.uint16), np.broadcast_to(codes, (2100, 2100))])
    sample = Satellite().read(Row("x", write_tif(tmp_path / "large.tif", data, names=("B2", "SCL")), label="a"))
    assert sample.channels == ("B2",) and 0.4 < sample.empty < 0.6


def test_pools_of_masked_and_of_labelled_large_images_are_two(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "large.tif", np.zeros((1, 2100, 2100), dtype=np.uint8))
    labelled, masked = Row("large", path, label="a"), Row("large", path, mask="m.png")
    assert content_key([labelled], Satellite().read, {}) != content_key([masked], Satellite().read, {})
    assert content_key([labelled], Satellite().read, {}) == content_key([Row("large", path)], Satellite().read, {})
