"""Masks and boxes are placed on the grid of their image or refused, and what is written reads back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from labelfree_satellite import Satellite
from PIL import Image
from rasterio.transform import from_origin

from labelfree.data.colours import colour_of
from labelfree.data.faults import find_faults
from labelfree.data.label_formats.voc import drawn_by_table
from labelfree.data.manifest import load_manifest
from labelfree.data.pixel_labels import pixel_labels
from labelfree.domain import IGNORE, ReadsTargets, Row, Sample, Window, Writes
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.satellite.files import numbers, row, write_tif

DOMAIN = Satellite()
CLASSES = np.arange(64, dtype=np.uint8).reshape(8, 8) % 5


def placed(folder: Path, name: str, data: np.ndarray, x: float, y: float, pixel: float = 10, **profile: object) -> Path:
    """A raster in UTM 32N whose upper left corner lies at (x, y)."""
    return write_tif(folder / name, data, transform=from_origin(x, y, pixel, pixel), **profile)


def image(folder: Path, **changes: object) -> Row:
    """8 x 8 pixels of 10 m from (500,000, 5,300,000)."""
    return replace(row(placed(folder, "image.tif", numbers(2), 500_000, 5_300_000)), **changes)  # type: ignore[arg-type]


def mask_of(labelled: Row) -> np.ndarray:
    targets = DOMAIN.read_targets(labelled, DOMAIN.read(labelled))
    assert targets.mask is not None and targets.mask.dtype == torch.int32
    return targets.mask.numpy()


def test_the_domain_fulfils_both_protocols() -> None:
    assert isinstance(DOMAIN, ReadsTargets) and isinstance(DOMAIN, Writes)


@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_a_mask_of_equal_size_lies_pixel_by_pixel(name: str, tmp_path: Path) -> None:
    mask = tmp_path / name
    Image.fromarray(CLASSES).save(mask) if mask.suffix == ".png" else write_tif(mask, CLASSES[None], placed=False)
    assert np.array_equal(mask_of(image(tmp_path, mask=str(mask))), CLASSES)
    assert np.array_equal(mask_of(image(tmp_path, mask=str(mask), window=Window((2, 1), (4, 5)))), CLASSES[2:6, 1:6])


def test_palettes_stay_numbers(tmp_path: Path) -> None:
    picture = Image.fromarray(CLASSES)
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 1, 2, 3])
    picture.save(tmp_path / "mask.png")
    assert np.array_equal(mask_of(image(tmp_path, mask=str(tmp_path / "mask.png"))), CLASSES)


def test_coordinates_place_a_mask(tmp_path: Path) -> None:
    """It begins two pixels before the image and one below, and its pixels are half as wide."""
    fine = np.random.default_rng(0).integers(0, 9, (20, 24)).astype(np.uint8)
    mask = placed(tmp_path, "mask.tif", fine[None], 499_980, 5_299_990, 5)
    seen = mask_of(image(tmp_path, mask=str(mask)))
    assert (seen[0] == IGNORE).all()
    for at, across in np.ndindex(7, 8):  # the corner of four fine pixels lies in the middle of each
        block = fine[2 * at : 2 * at + 2, 4 + 2 * across : 6 + 2 * across]
        assert seen[1 + at, across] in block
    whole = placed(tmp_path, "whole.tif", CLASSES[None], 500_000, 5_300_000)
    assert np.array_equal(mask_of(image(tmp_path, mask=str(whole))), CLASSES)
    assert np.array_equal(mask_of(image(tmp_path, mask=str(whole), window=Window((3, 2), (4, 4)))), CLASSES[3:7, 2:6])


def test_another_system_is_brought_over(tmp_path: Path) -> None:
    from rasterio.warp import calculate_default_transform, reproject

    source = placed(tmp_path, "source.tif", np.kron(CLASSES, np.ones((4, 4), np.uint8))[None], 500_000, 5_300_000, 2.5)
    with rasterio.open(source) as file:
        transform, width, height = calculate_default_transform(file.crs, "EPSG:4326", file.width, file.height, *file.bounds)
        degrees = np.full((1, height, width), 250, np.uint8)
        reproject(file.read(), degrees, src_transform=file.transform, src_crs=file.crs, dst_transform=transform, dst_crs="EPSG:4326")
    mask = write_tif(tmp_path / "mask.tif", degrees, transform=transform, crs="EPSG:4326")
    inner = mask_of(image(tmp_path, mask=str(mask)))[1:-1, 1:-1]
    assert (inner == CLASSES[1:-1, 1:-1]).mean() > 0.95


def test_nodata_of_a_mask_is_ignored_and_255_is_a_class(tmp_path: Path) -> None:
    marked = np.where(CLASSES == 4, 255, CLASSES).astype(np.uint8)
    plain = placed(tmp_path, "plain.tif", marked[None], 500_000, 5_300_000)
    assert np.array_equal(mask_of(image(tmp_path, mask=str(plain))), marked)
    declared = placed(tmp_path, "declared.tif", marked[None], 500_000, 5_300_000, nodata=255)
    assert np.array_equal(mask_of(image(tmp_path, mask=str(declared))), np.where(marked == 255, IGNORE, marked.astype(int)))
    real = placed(tmp_path, "real.tif", np.where(marked == 255, np.nan, marked)[None].astype(np.float32), 500_000, 5_300_000)
    assert np.array_equal(mask_of(image(tmp_path, mask=str(real))), np.where(marked == 255, IGNORE, marked.astype(int)))


@pytest.mark.parametrize(
    ("data", "where", "sentence"),
    [
        (CLASSES[:6], None, r"mask\.tif: 6 x 8 pixels, its image image\.tif has 8 x 8; give a mask of that size"),
        (CLASSES + 0.5, None, r"mask\.tif: holds fractions"),
        (CLASSES, (600_000, 5_300_000), r"mask\.tif: lies nowhere on its image"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(data: np.ndarray, where: tuple | None, sentence: str, tmp_path: Path) -> None:
    path = placed(tmp_path, "mask.tif", data[None], *where) if where else write_tif(tmp_path / "mask.tif", data[None], placed=False)
    with pytest.raises(DataError, match=sentence.replace("its image image", "its image .*image")):
        mask_of(image(tmp_path, mask=str(path)))


def test_colours_are_numbers_and_a_missing_mask_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(tmp_path / "mask.png")
    assert colour_of(int(mask_of(image(tmp_path, mask=str(tmp_path / "mask.png")))[0, 1])) == "#030405"
    with pytest.raises(DataError, match=r"no\.png: there is no such mask"):
        mask_of(image(tmp_path, mask=str(tmp_path / "no.png")))


def voc(folder: Path, *boxes: tuple[str, int, int, int, int]) -> str:
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, x1, y1, x2, y2 in boxes
    )
    (folder / "boxes.xml").write_text(f"<annotation>{objects}</annotation>")
    return str(folder / "boxes.xml")


def test_boxes_are_top_left_bottom_right_and_cut_off_at_a_window(tmp_path: Path) -> None:
    boxes = voc(tmp_path, ("tank", 2, 3, 5, 4), ("ship", 7, 7, 8, 8))
    [labelled], _ = drawn_by_table([image(tmp_path, boxes=boxes)])
    targets = DOMAIN.read_targets(labelled, DOMAIN.read(labelled))
    assert targets.mask is None and targets.names == ("tank", "ship")
    assert targets.boxes is not None and targets.boxes.tolist() == [[2, 1, 4, 5], [6, 6, 8, 8]]
    part = replace(labelled, window=Window((3, 0), (4, 4)))
    targets = DOMAIN.read_targets(part, DOMAIN.read(part))
    assert targets.boxes is not None and targets.boxes.tolist() == [[0, 1, 1, 4]] and targets.names == ("tank",)


def test_boxes_that_do_not_fit_are_cut_off_or_left_out(tmp_path: Path) -> None:
    boxes = voc(tmp_path, ("tank", 0, 2, 50, 4), ("ship", 3, 3, 3, 5), ("ship", 9, 9, 12, 12))
    [labelled], _ = drawn_by_table([image(tmp_path, boxes=boxes)])
    targets = DOMAIN.read_targets(labelled, DOMAIN.read(labelled))
    assert targets.boxes is not None and targets.boxes.tolist() == [[2, 0, 4, 8]] and targets.names == ("tank",)
    with pytest.raises(DataError, match=r"boxes\.json: boxes are read from Pascal VOC"):
        labelled = image(tmp_path, boxes=str(tmp_path / "boxes.json"))
        DOMAIN.read_targets(labelled, DOMAIN.read(labelled))


@pytest.mark.parametrize(
    "prediction",
    [torch.from_numpy(CLASSES), torch.from_numpy(CLASSES.astype(np.int64)) - 1, torch.rand(3, 8, 8), torch.from_numpy(CLASSES > 2)],
    ids=["bytes", "with ignored ones", "scores", "one class"],
)
def test_what_is_written_reads_back_with_its_place(prediction: torch.Tensor, tmp_path: Path) -> None:
    sample = DOMAIN.read(image(tmp_path, window=Window((2, 1), (4, 5))))
    cut = prediction[..., 2:6, 1:6]
    (file,) = DOMAIN.write(cut, sample, tmp_path / "out" / "scene.v2")
    assert file == tmp_path / "out" / "scene.v2.tif" and [path.name for path in file.parent.iterdir()] == ["scene.v2.tif"]
    with rasterio.open(file) as opened:
        assert np.array_equal(opened.read().squeeze(), cut.numpy())
        assert opened.crs == "EPSG:32632" and tuple(opened.bounds) == sample.bounds
    again = DOMAIN.read(row(file))
    assert (again.crs, again.bounds, again.affine) == (sample.crs, sample.bounds, sample.affine)


def test_a_picture_is_written_as_one(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    sample = DOMAIN.read(row(tmp_path / "a.png"))
    (file,) = DOMAIN.write(torch.from_numpy(CLASSES), sample, tmp_path / "mask")
    assert file.name == "mask.png" and np.array_equal(np.asarray(Image.open(file)), CLASSES)
    (scores,) = DOMAIN.write(torch.rand(2, 8, 8), sample, tmp_path / "scores")
    assert scores.name == "scores.tif"
    with pytest.raises(DataError, match=r"a prediction of 4 x 4, its image a\.png has 8 x 8 pixels"):
        DOMAIN.write(torch.zeros(4, 4), sample, tmp_path / "other")


def test_a_written_mask_is_a_mask_of_its_image(tmp_path: Path) -> None:
    labelled = image(tmp_path)
    sample: Sample = DOMAIN.read(labelled)
    (file,) = DOMAIN.write(torch.from_numpy(CLASSES), sample, tmp_path / "written")
    assert np.array_equal(mask_of(replace(labelled, mask=str(file))), CLASSES)


def test_the_check_of_a_data_set_places_masks_by_coordinates_too(tmp_path: Path) -> None:
    for name in ("a", "b"):
        placed(tmp_path, f"{name}.tif", numbers(2), 500_000, 5_300_000)
    fine = np.random.default_rng(0).integers(0, 2, (20, 24)).astype(np.uint8)
    placed(tmp_path, "fine.tif", fine[None], 499_980, 5_299_990, 5)
    placed(tmp_path, "far.tif", fine[None], 600_000, 5_299_990, 5)
    (tmp_path / "labels.csv").write_text("path,mask\na.tif,fine.tif\nb.tif,far.tif\n")
    manifest = load_manifest(Data(root=tmp_path, labels=tmp_path / "labels.csv"), DOMAIN)
    [fault] = [said for said in find_faults(manifest, DOMAIN.read, Silent(), False, DOMAIN).faults if "same content" not in said]
    assert "far.tif: lies nowhere on its image" in fault
    labels = pixel_labels(manifest.rows, DOMAIN, DOMAIN.read)
    assert list(labels.pixels) == ["a.tif"] and sum(labels.pixels["a.tif"].values()) == 56 and labels.faults == (fault,)


@pytest.mark.parametrize("name", ["a.tif", "plain.tif", "a.png", "deep.png", "a.jpg", "world.png"])
@pytest.mark.parametrize("window", [None, Window((2, 1), (4, 5))])
def test_a_frame_is_what_reading_gives_without_its_channels(tmp_path: Path, name: str, window: Window | None) -> None:
    if name.endswith(".tif"):
        write_tif(tmp_path / name, numbers(2), placed=name == "a.tif")
    else:
        Image.fromarray(CLASSES.astype(np.uint16 if name == "deep.png" else np.uint8)).save(tmp_path / name)
    (tmp_path / "world.pgw").write_text("10\n0\n0\n-10\n500005\n5299995\n")
    labelled = replace(row(tmp_path / name), window=window)
    frame = DOMAIN.frame(labelled)
    assert frame is not None
    sample = DOMAIN.read(labelled)
    size = sample.data.shape[1:]
    assert frame.data.shape == (0, *size) and (frame.crs, frame.affine) == (sample.crs, sample.affine)


def test_only_reading_tells_the_frame_of_a_large_image_that_may_be_read_coarser_and_of_a_broken_one(tmp_path: Path) -> None:
    write_tif(tmp_path / "large.tif", np.zeros((1, 2100, 2100), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no")
    assert DOMAIN.frame(row(tmp_path / "large.tif")) is None and DOMAIN.frame(row(tmp_path / "broken.png")) is None
    labelled = replace(row(tmp_path / "large.tif"), mask="mask.png")
    frame = DOMAIN.frame(labelled)
    assert frame is not None and frame.data.shape == (0, 2100, 2100) == (0, *DOMAIN.read(labelled).data.shape[1:])
