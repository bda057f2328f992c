"""Boxes found in pictures and scenes: what is written is what the head finds, in pixels and on the ground."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import labelfree
from labelfree.backbones.weight_card import WeightCard
from labelfree.deploy.box_heads import BoxesHead
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import read_card, write_head
from labelfree.deploy.tile_heads import slices
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.transfer.boxes.frozen import Frozen
from labelfree.transfer.boxes.strides import reduced
from labelfree.transfer.encoders import Encoder
from tests.deploy.made_heads import BANDS, ONES, ZEROS, network, scene, statistics
from tests.deploy.test_maps import pictures
from tests.small_runs import table

rasterio = pytest.importorskip("rasterio")
SIDE, CLASSES = 64, ("boat", "mill")


@pytest.fixture(autouse=True)
def scenes_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a scene here, and so read in rows of tiles, is an image of more than 100 x 100 pixels."""
    from labelfree_satellite import grids, satellite

    monkeypatch.setattr(grids, "WHOLE", 100 * 100)
    monkeypatch.setattr(satellite, "SMALL_FILE", 1000)


def box_head(path: Path, encoder: Encoder, detector: str = "fcos", threshold: float | None = None) -> Path:
    """A detector with drawn weights that finds boxes everywhere."""
    drawn = torch.rand(1, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 1000
    levels = reduced(encoder.maps(drawn, None, (SIDE, SIDE)), (SIDE, SIDE))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = {
            "detector": detector, "classes": len(CLASSES), "levels": [level.shape[1] for level in levels], "strides": [8, 16, 32],
            "chosen": [0, 1, min(2, len(levels) - 1)], "side": 20.0, "ratios": [0.5, 1.0, 2.0],
        }  # fmt: skip
        head = Frozen(detector).head(config)
        for name, parameter in head.detector.named_parameters():
            parameter.data.mul_(0 if name.endswith("cls_logits.bias") else 4)
    for at, level in enumerate(levels):
        head.get_buffer(f"std{at}").fill_(float(level.std()))
        head.get_buffer(f"mean{at}").fill_(float(level.mean()))
    images = WeightCard(
        encoder.backbone, BANDS, "stored", ONES, ZEROS, (1000.0,) * 4, (500.0,) * 4, encoder.sizes[0] if encoder.sizes else 0,
        domain="satellite", arm=encoder.arm, dtype="uint16", low=ZEROS, high=(3000.0,) * 4, reader={"bands": list(BANDS)},
    )  # fmt: skip
    parts = encoder.kept()
    card = HeadCard(
        "detection", "frozen", CLASSES, images, (SIDE, SIDE), tuple(part.told for part in parts),
        config=dict(head.config), labels={"boat": 5}, threshold=threshold,
    )  # fmt: skip
    return write_head(path, card, head.state_dict(), [part.tensors for part in parts])


def test_a_scene_is_searched_in_rows_of_tiles_as_if_it_stood_in_memory(tmp_path: Path) -> None:
    pixels = scene(tmp_path / "scene.tif", 300, 210)
    head: BoxesHead = labelfree.load_head(box_head(tmp_path / "head.safetensors", network()))
    lazily = head.predict(tmp_path / "scene.tif")
    first = slices(head.domain, head.row(tmp_path / "scene.tif")).first
    whole = head.predict(replace(first, data=torch.from_numpy(pixels), measured=None))
    assert len(lazily) > 10 and set(lazily.names) <= set(CLASSES)
    np.testing.assert_allclose(lazily.corners, whole.corners, atol=1e-3)
    np.testing.assert_allclose(lazily.scores, whole.scores, atol=1e-5)
    assert (np.diff(lazily.scores) <= 0).all()
    assert (lazily.corners >= 0).all() and (lazily.corners[:, 2] <= 210).all() and (lazily.corners[:, 3] <= 300).all()


@pytest.mark.parametrize("detector", ["fcos", "retinanet", "faster_rcnn"])
def test_a_head_finds_the_same_after_it_was_kept(tmp_path: Path, detector: str) -> None:
    pictures(tmp_path, 1, 70, 90)
    first = labelfree.load_head(box_head(tmp_path / "one.safetensors", statistics(), detector))
    card = read_card(tmp_path / "one.safetensors")
    write_head(tmp_path / "two.safetensors", card, first.head.state_dict(), [part.tensors for part in first.encoder.kept()])
    here, there = (each.predict(tmp_path / "pictures" / "0.tif") for each in (first, labelfree.load_head(tmp_path / "two.safetensors")))
    np.testing.assert_array_equal(here.corners, there.corners)
    assert here.names == there.names and len(here)


def test_pictures_become_a_coco_file_and_a_table(tmp_path: Path) -> None:
    from faster_coco_eval import COCO

    pictures(tmp_path, 3, 70, 90)
    head: BoxesHead = labelfree.load_head(box_head(tmp_path / "head.safetensors", statistics()))
    done = labelfree.predict(head, tmp_path / "pictures", tmp_path / "out", say=Silent())
    assert done.images == 3 and [file.name for file in done.files] == ["boxes.csv", "boxes.json", "predictions.csv"]
    assert not list((tmp_path / "out").glob("*.making*"))
    told = {at: head.predict(tmp_path / "pictures" / f"{at}.tif") for at in range(3)}
    rows, counted = table(tmp_path / "out" / "boxes.csv"), table(tmp_path / "out" / "predictions.csv")
    coco = COCO(str(tmp_path / "out" / "boxes.json"))
    names = {each["file_name"]: each["id"] for each in coco.dataset["images"]}
    assert {each["id"]: each["name"] for each in coco.dataset["categories"]} == {1: "boat", 2: "mill"}
    for at, found in told.items():
        mine = [row for row in rows if row["path"] == f"{at}.tif"]
        assert [row["class"] for row in mine] == list(found.names)
        edges = np.array([[float(row[edge]) for edge in ("x0", "y0", "x1", "y1")] for row in mine])
        np.testing.assert_allclose(edges, found.corners, atol=0.011)
        kept = coco.loadAnns(coco.getAnnIds(imgIds=[names[f"{at}.tif"]]))
        np.testing.assert_allclose([each["score"] for each in kept], found.scores, atol=1e-4)
        np.testing.assert_allclose([each["bbox"][:2] for each in kept], found.corners[:, :2], atol=0.011)
        row = next(row for row in counted if row["path"] == f"{at}.tif")
        assert int(row["objects"]) == len(found) and int(row["objects_mill"]) == found.names.count("mill")
    again = labelfree.annotations(tmp_path / "pictures", tmp_path / "out" / "boxes.json", domain="satellite", say=Silent())
    assert not again.faults and sum(len(image.objects) for image in again.images.values()) == len(rows)


def test_a_picture_without_objects_is_there_too(tmp_path: Path) -> None:
    pictures(tmp_path, 2, 70, 90)
    head = box_head(tmp_path / "head.safetensors", statistics(), threshold=1.0)
    labelfree.predict(head, tmp_path / "pictures", tmp_path / "out", say=Silent())
    assert [row["objects"] for row in table(tmp_path / "out" / "predictions.csv")] == ["0", "0"]
    told = json.loads((tmp_path / "out" / "boxes.json").read_text())
    assert len(told["images"]) == 2 and told["annotations"] == []


def test_boxes_lie_on_the_ground(tmp_path: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    scene(tmp_path / "scene.tif", 300, 210)
    file = box_head(tmp_path / "head.safetensors", statistics())
    done = labelfree.predict(file, tmp_path / "scene.tif", tmp_path / "out", vector=tmp_path / "found.gpkg", say=Silent())
    assert done.files[0] == tmp_path / "found.gpkg"
    found, rows = geopandas.read_file(tmp_path / "found.gpkg"), table(tmp_path / "out" / "boxes.csv")
    assert found.crs == "EPSG:32632" and len(found) == len(rows) > 0
    assert found["class"].tolist() == [row["class"] for row in rows]
    np.testing.assert_allclose(found["score"], [float(row["score"]) for row in rows])
    x0, y0, x1, y1 = np.array([[float(row[edge]) for edge in ("x0", "y0", "x1", "y1")] for row in rows]).T
    ground = np.stack([500_000 + 10 * x0, 5_400_000 - 10 * y1, 500_000 + 10 * x1, 5_400_000 - 10 * y0], 1)
    np.testing.assert_allclose(found.geometry.bounds.to_numpy(), ground, atol=0.1)


def test_a_region_bounds_what_is_found(tmp_path: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    from shapely.geometry import box

    scene(tmp_path / "scene.tif", 300, 210)
    area = box(500_200, 5_400_000 - 2500, 501_500, 5_400_000 - 700)  # columns 20 to 150, rows 70 to 250
    geopandas.GeoDataFrame(geometry=[area], crs="EPSG:32632").to_file(tmp_path / "aoi.gpkg")
    file = box_head(tmp_path / "head.safetensors", statistics())
    labelfree.predict(file, tmp_path / "scene.tif", tmp_path / "out", region=tmp_path / "aoi.gpkg", say=Silent())
    rows = table(tmp_path / "out" / "boxes.csv")
    middles = np.array([[float(row["x0"]) + float(row["x1"]), float(row["y0"]) + float(row["y1"])] for row in rows]) / 2
    assert len(rows) and (middles >= (19, 69)).all() and (middles <= (151, 251)).all()


def test_pictures_have_no_boxes_on_the_ground(tmp_path: Path) -> None:
    pictures(tmp_path, 1, 70, 90)
    file = box_head(tmp_path / "head.safetensors", statistics())
    with pytest.raises(DataError, match=r"0.tif: has no coordinates, so its boxes do not lie on the ground; leave --vector out"):
        labelfree.predict(file, tmp_path / "pictures", tmp_path / "out", vector=tmp_path / "found.gpkg", say=Silent())
    done = labelfree.predict(file, tmp_path / "pictures", tmp_path / "other", vector=tmp_path / "found.json", say=Silent())
    assert tmp_path / "found.json" in done.files and not (tmp_path / "other" / "boxes.json").exists()


def test_another_number_of_channels_is_refused(tmp_path: Path) -> None:
    scene(tmp_path / "scene.tif", 80, 80)
    with rasterio.open(tmp_path / "scene.tif") as source, rasterio.open(tmp_path / "two.tif", "w", **{**source.profile, "count": 2}) as two:
        two.write(source.read([1, 2]))
    file = box_head(tmp_path / "head.safetensors", statistics())
    with pytest.raises(DataError, match=r"two.tif"):
        labelfree.predict(file, tmp_path / "two.tif", tmp_path / "out", say=Silent())
