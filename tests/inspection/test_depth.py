"""The depth of a set: found over its images, told, and refused where one is of another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from labelfree_inspection import Inspection
from labelfree_inspection.depth import Depth, depth_of, require_depth
from PIL import Image

import labelfree
from labelfree.data.depth import Bits, bits_of
from labelfree.domain import Row, Window
from labelfree.errors import DataError, RecipeError


def used(*values: int) -> Bits:
    bits = bits_of(np.array(values, np.uint16))
    assert bits is not None
    return bits


@st.composite
def cameras(draw):
    """(bits, shift) of a camera, and images of it as 16 bits: most saturate, some are dark."""
    bits = draw(st.sampled_from([8, 10, 12, 14, 16]))
    shift = draw(st.sampled_from([0, 16 - bits]))
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    most = [2**bits - 1] * draw(st.integers(4, 8)) + [max(8, 2**bits // 16)] * draw(st.integers(0, 3))
    return (bits, shift), [np.append(generator.integers(0, top, 400), [0, 1, top]).astype(np.uint16) << shift for top in most]


@given(cameras())
def test_the_depth_of_a_camera_is_found(camera) -> None:
    """However many of its pictures are dark."""
    (bits, shift), images = camera
    assert depth_of([used(*image) for image in images], ()) == Depth(bits, shift)


@pytest.mark.parametrize(
    ("highest", "bits"),
    [
        ([700, 600], 12),  # nothing is saturated: as well a dark set of 12 bits as one of 10
        ([200, 250, 13], 12),
        ([1023, 1023, 1000], 10),
        ([2700, 900], 12),
        ([9000, 3000], 14),
        ([40000, 100, 100], 16),
        ([4095] * 8 + [30000, 61234], 12),  # few of another scale change nothing
        ([3900, 3000, 2000, 60000], 16),  # three are too few to say so
        ([3900, 3000, 2000, 3500, 2500, 3100, 60000, 61000], 12),  # nothing saturates, but the others jump by four bits
        ([3900, 3000, 2000, 3500, 2500, 3100, 9000, 30000], 16),  # nothing lies apart
        ([200, 180, 90, 250, 120, 60, 40000], 12),
    ],
)
def test_the_lower_end(highest: list[int], bits: int) -> None:
    assert depth_of([used(0, 1, most) for most in highest], ()) == Depth(bits)


def test_what_files_say_goes_before_what_they_hold() -> None:
    assert depth_of([used(0, 1, 300)], [12]) == Depth(12)


def test_nothing_but_zeros_has_none() -> None:
    assert depth_of([used(0, 0)], ()) is None


def test_eight_bits_stretched_to_sixteen_are_not_shifted() -> None:
    assert depth_of([used(0, 257, 65535, 2 * 257)], ()) == Depth(16)


@pytest.mark.parametrize(
    ("depth", "values", "stored", "said"),
    [
        (Depth(12), [0, 16, 65520], 16, "reaches 65,520"),
        (Depth(12), [0, 255], 8, "is stored in 8 bits"),
        (Depth(12, 4), [0, 1, 4095], 16, "uses bits below the upper 12"),
        (Depth(10), [0, 1024], 16, r"reaches 1,024.*10 bits \(reader.depth=10; up to 1,023\)"),
    ],
)
def test_an_image_of_another_depth_is_refused(depth: Depth, values: list[int], stored: int, said: str) -> None:
    with pytest.raises(DataError, match=f"part.png: {said}.*another scale"):
        require_depth("part.png", used(*values), stored, depth)


@pytest.mark.parametrize(("depth", "values"), [(Depth(12), [0, 17]), (Depth(12, 4), [0, 16, 65520]), (Depth(16), [1, 65535])])
def test_a_dark_image_is_of_the_set(depth: Depth, values: list[int]) -> None:
    require_depth("part.png", used(*values), 16, depth)


def folder_of(folder: Path, *images: np.ndarray) -> Path:
    folder.mkdir()
    for number, image in enumerate(images):
        tifffile.imwrite(folder / f"{number}.tif", image)
    return folder


def textures(count: int, bits: int, shift: int = 0) -> list[np.ndarray]:
    draw = np.random.default_rng(bits)
    images = [draw.integers(1, 2**bits, (24, 32)).astype(np.uint16) for _ in range(count)]
    for image in images:
        image[0, 0] = 2**bits - 1
    return [image << shift for image in images]


def test_plan_writes_what_the_set_settles_and_check_names_the_others(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", *textures(8, 12, shift=4), *textures(1, 12))
    plan = labelfree.plan(folder_of(tmp_path / "sound", *textures(8, 12, shift=4)), "inspection")
    assert plan.recipe.reader["depth"] == 12 and plan.recipe.reader["shift"] == 4
    assert "reader.depth=12" in "\n".join(plan.lines())
    found = labelfree.check_data(root, (), "inspection")
    assert len(found.faults) == 1 and "8.tif" in found.faults[0] and "12 bits at the upper end of 16" in found.faults[0]


def test_a_set_of_bytes_settles_nothing_and_names_what_is_deeper(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", *[image.astype(np.uint8) for image in textures(5, 8)], *textures(1, 12))
    found = labelfree.check_data(root, (), "inspection")
    assert len(found.faults) == 1 and "5.tif: unit 'grey levels', others 'of 255'" in found.faults[0]


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32"])
def test_the_depth_is_found_in_types_of_any_width(tmp_path: Path, dtype: str) -> None:
    """LabVIEW writes 12 bits with a sign."""
    root = folder_of(tmp_path / "set", *[image.astype(dtype) for image in textures(8, 12)], (textures(1, 12)[0] * 7).astype(dtype))
    found = labelfree.check_data(root, (), "inspection")
    assert len(found.faults) == 1 and "8.tif: reaches 28,665, the others of its set are 12 bits" in found.faults[0]


def test_numbers_below_zero_are_of_no_camera(tmp_path: Path) -> None:
    """Heights or differences; images without any among them change nothing."""
    images = [image.astype(np.int16) for image in textures(6, 12)]
    root = folder_of(tmp_path / "set", *images, images[0] - 9)
    assert labelfree.plan(root, "inspection").recipe.reader["depth"] is None


@pytest.mark.parametrize("most", [4095, 65535])
def test_a_pgm_that_says_the_most_there_is_says_nothing_of_its_depth(tmp_path: Path, most: int) -> None:
    for number, image in enumerate(textures(6, 12)):
        head = f"P5\n{image.shape[1]} {image.shape[0]}\n{most}\n".encode()
        (tmp_path / f"{number}.pgm").write_bytes(head + image.astype(">u2").tobytes())
    assert labelfree.plan(tmp_path, "inspection").recipe.reader["depth"] == 12


def test_shallow_files_of_several_formats_are_one_set(tmp_path: Path) -> None:
    """4 bits as TIFF hold 15, as Pillow reads a PNG of them 255: both are white."""
    images = [np.random.default_rng(seed).integers(0, 16, (24, 32)).astype(np.uint8) for seed in range(6)]
    for number, image in enumerate(images):
        image[0, :2] = 0, 15
        if number % 2:
            tifffile.imwrite(tmp_path / f"{number}.tif", image, bitspersample=4, photometric="minisblack")
        else:
            (tmp_path / f"{number}.pgm").write_bytes(b"P5\n32 24\n15\n" + image.tobytes())
    Image.fromarray(images[0] * 17).save(tmp_path / "8.png")
    domain = Inspection()
    for file in tmp_path.iterdir():
        sample = domain.read(Row(file.name, file))
        assert sample.unit == "of 255" and sample.physical().max() == 255


def test_what_the_settings_say_is_not_looked_for(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", *textures(3, 12))
    plan = labelfree.plan(root, "inspection", overrides=["reader.depth=14"])
    assert plan.recipe.reader["depth"] == 14


def test_reading_depends_on_the_file_alone(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", *textures(3, 12))
    rows = [Row(f"{number}.tif", root / f"{number}.tif") for number in range(3)]
    domain = Inspection()
    domain.settling(map(domain.read, rows))
    assert all((domain.read(row).data == Inspection(depth=12).read(row).data).all() for row in rows)
    assert domain.read(rows[0]).unit == Inspection(depth=12).read(rows[0]).unit == "grey levels"


@pytest.mark.parametrize(
    ("keys", "said"),
    [({"shift": 4}, "give depth too"), ({"depth": 14, "shift": 4}, "more than 16 bits"), ({"depth": 0}, "reader.depth")],
)
def test_keys_that_cannot_be_meant(keys: dict[str, int], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Inspection(**keys)


@pytest.mark.parametrize(("bits", "shift"), [(12, 0), (10, 0), (12, 4), (16, 0)])
def test_zero_that_is_white_is_turned_over_within_the_depth_of_the_set(tmp_path: Path, bits: int, shift: int) -> None:
    images = textures(6, bits, shift)
    for number, image in enumerate(images):
        tifffile.imwrite(tmp_path / f"{number}.tif", image, photometric="miniswhite")
    rows = [Row(f"{number}.tif", tmp_path / f"{number}.tif") for number in range(6)]
    keys = Inspection().settling(map(Inspection().read, rows))
    assert {key: default.value for key, default in keys.items()} == {"depth": bits, **({"shift": shift} if shift else {})}
    told = Inspection(depth=bits, shift=shift)
    for row, image in zip(rows, images, strict=True):
        assert np.array_equal(told.read(row).data[0], Depth(bits, shift).white - image)
        assert np.array_equal(told.read(replace(row, window=Window((2, 3), (9, 11)))).data[0], Depth(bits, shift).white - image[2:11, 3:14])
    tifffile.imwrite(tmp_path / "bright.tif", np.full((24, 32), 65535, np.uint16), photometric="miniswhite")
    if bits < 16:
        with pytest.raises(DataError, match=r"bright\.tif: .*another scale"):
            told.read(Row("bright.tif", tmp_path / "bright.tif"))


def test_a_gap_is_a_stored_number_where_zero_is_white(tmp_path: Path) -> None:
    image = textures(1, 12)[0]
    image[:4] = 0
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite", extratags=[(42113, "s", 0, "0", True)])
    row = Row("a.tif", tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", image, photometric="miniswhite")
    told = Inspection(depth=12, nodata=0).read(Row("b.tif", tmp_path / "b.tif"))
    for measured in (Inspection(depth=12).read(row).measured, told.measured):
        assert measured is not None and not measured[:4].any() and measured[4:].any()
