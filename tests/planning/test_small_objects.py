"""Small objects on large images: how large they are, the tiles that suit them, and what is told of a recipe that shrinks them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.manifest import load_manifest
from labelfree.data.object_sizes import LEAST, ObjectSizes, object_sizes
from labelfree.data.set_labels import SetLabels
from labelfree.planning.costs import LARGEST_VIEW
from labelfree.planning.small_objects import LARGEST, SMALLEST, STEP, lost_in_comparison, lost_in_pretraining, squeezed, tile_for, view_of
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, write
from tests.planning.folders import pictures, planned, told

NINE = ObjectSizes.of([(9, 9, 1200, "a.png"), (30, 12, 1200, "b.png")])


def coco(root: Path, size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Path:
    """One image a box, and one without any."""
    images = [{"id": n, "file_name": f"{n}.png", "width": size[1], "height": size[0]} for n in range(len(boxes) + 1)]
    for image in images:
        write(root / str(image["file_name"]), np.random.default_rng(int(image["id"])).integers(0, 255, size))
    marks = [{"id": n, "image_id": n, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0} for n, box in enumerate(boxes)]
    file = root / "coco.json"
    file.write_text(json.dumps({"images": images, "annotations": marks, "categories": [{"id": 1, "name": "dot"}]}))
    return file


def sizes_of(root: Path, **said: object) -> ObjectSizes:
    manifest = load_manifest(Data(root=root, **said), PillowDomain())  # type: ignore[arg-type]
    return object_sizes(manifest.rows, SetLabels(manifest, PillowDomain()))


def test_both_numbers_are_told() -> None:
    sentence = lost_in_comparison(NINE, 256, None)
    assert sentence is not None and "9 px across (a.png)" in sentence and f"{9 * 256 / 1200:.1f} px" in sentence
    sentence = lost_in_pretraining(NINE, 224, None)
    assert sentence is not None and "whole images at 224 px" in sentence and "has 1.7 px" in sentence
    assert lost_in_pretraining(NINE, 128, 128) is None and lost_in_comparison(NINE, 1200, None) is None
    assert lost_in_pretraining(NINE, 224, (256, 256)) is not None  # 7.9 px


@given(side=st.floats(1, 400), extent=st.integers(32, 5000), size=st.integers(32, 512))
def test_what_is_not_shrunk_or_stays_large_is_not_told(side: float, extent: int, size: int) -> None:
    objects = ObjectSizes.of([(side, side, extent, "a")])
    after = side * min(1.0, size / extent)
    assert (lost_in_comparison(objects, size, None) is None) == (after >= min(LEAST, side))


@given(st.lists(st.floats(1, 2000), min_size=1, max_size=20))
def test_tiles_hold_most_objects_whole(sides: list[float]) -> None:
    objects = ObjectSizes.of([(side, side, 4096, "a") for side in sides])
    suited = tile_for(objects, [(3000, 4096)], 256)
    assert suited is not None and SMALLEST <= suited.value <= LARGEST and suited.value % STEP == 0
    assert suited.value >= min(LARGEST_VIEW[2], 4 * np.quantile(sides, 0.9))
    assert lost_in_pretraining(objects, view_of(suited.value), suited.value) is None  # views never show the smallest smaller than it may be


def test_small_images_stay_whole_unless_their_objects_would_be_lost() -> None:
    assert tile_for(ObjectSizes.of([(40, 40, 400, "a")]), [(400, 400)], None) is None
    assert tile_for(ObjectSizes.of([(9, 9, 400, "a")]), [(400, 400)], None) is not None
    assert tile_for(ObjectSizes.of([]), [(3000, 4096)], 256) is None


def test_a_tile_is_no_longer_than_the_images_are_across() -> None:
    suited = tile_for(ObjectSizes.of([(12, 16, 6000, "a")]), [(70, 6000), (64, 6000)], 64)
    assert suited is not None and suited.value == 64 and "no longer than images are across" in suited.reason


def test_drawn_boxes_of_pixels_and_of_shares(tmp_path: Path) -> None:
    coco(tmp_path, (60, 90), (4, 6, 9, 20), (0, 0, 30, 12))
    found = sizes_of(tmp_path, labels=tmp_path / "coco.json")
    assert found.across.tolist() == [9, 12] and found.along.tolist() == [20, 30] and set(found.extent.tolist()) == {90}
    yolo = tmp_path / "yolo"
    write(yolo / "images/1.png", np.random.default_rng(0).integers(0, 255, (60, 90)))
    (yolo / "labels").mkdir()
    (yolo / "labels/1.txt").write_text("0 0.5 0.5 0.1 0.2\n")
    (yolo / "data.yaml").write_text("train: images\nnames: [dot]\n")
    found = sizes_of(yolo, labels=yolo / "data.yaml")
    assert found.across == pytest.approx([9]) and found.along == pytest.approx([12]) and found.extent.tolist() == [90]


def test_pieces_of_masks_without_specks(tmp_path: Path) -> None:
    marked = np.zeros((80, 80))
    marked[10:19, 20:31] = marked[60:70, 60:61] = 255
    marked[40, 40] = 255  # one pixel
    write(tmp_path / "1.png", np.random.default_rng(0).integers(0, 255, (80, 80)))
    write(tmp_path / "1_mask.png", marked)
    found = sizes_of(tmp_path)
    assert sorted(zip(found.across.tolist(), found.along.tolist(), strict=True)) == [(1, 10), (9, 11)]


def test_plan_says_the_smallest_object_and_cuts_tiles_for_it(tmp_path: Path) -> None:
    labels = coco(tmp_path, (700, 900), *[(100 * n, 200, 9, 9) for n in range(1, 7)])
    proposal = planned(tmp_path, "satellite", labels)
    assert proposal.recipe.pool.tile == 128 and "native" not in proposal.text
    assert "smallest labelled object: 9 px across" in told(proposal) and "tiles of 128 px at their own resolution" in told(proposal)
    assert "may be lost" not in told(proposal)


def test_plan_compares_classes_in_tiles_where_shrinking_would_lose_what_is_marked(tmp_path: Path) -> None:
    pictures(tmp_path, [f"{kind}/{n}.png" for kind in ("ok_part", "dot") for n in range(12)], side=600)
    for n in range(12):
        marked = np.zeros((600, 600))
        marked[50:59, 70:79] = 255
        write(tmp_path / f"dot/{n}_mask.png", marked)
    proposal = planned(tmp_path, "satellite")
    said = told(proposal)
    assert "smallest labelled object: 9 px across (dot/0.png)" in said
    assert proposal.recipe.evaluate.tile == proposal.recipe.pool.tile == 128
    assert "classes are compared in tiles of 128 px (evaluate.tile)" in said and "would lose the smallest object" in said
    assert "may be lost" not in said


def test_plan_names_tiles_where_nobody_drew_what_large_pictures_show(tmp_path: Path) -> None:
    large, small = ([f"{kind}/{n}.png" for kind in ("ok_part", "dot") for n in range(6)] for _ in range(2))
    pictures(tmp_path / "large", large, side=1100)
    pictures(tmp_path / "small", small, side=300)
    proposal = planned(tmp_path / "large", "satellite")
    assert proposal.recipe.evaluate.tile is None  # named, not chosen: it takes many times as long
    said = "networks see whole images of 1100 x 1100 pixels at 256 px a side at most, where 4 px along become one"
    assert said in told(proposal) and "evaluate.tile=256" in proposal.text
    assert "evaluate.tile" not in planned(tmp_path / "small", "satellite").text


def test_a_run_warns_of_what_whole_images_lose_and_not_of_tiles() -> None:
    sentence = lost_in_comparison(NINE, 256, None)
    assert sentence is not None and "evaluate.tile" in sentence
    assert lost_in_comparison(NINE, 256, 256) is None


def test_long_images_that_are_classified_whole_are_told(tmp_path: Path) -> None:
    """Nobody drew what the classes are told by, so nobody knows how small it is."""
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 255, (64, 3000))
        write(tmp_path / f"scans/{'good' if number % 2 else 'dent'}/{number}.png", pixels)
    said = "networks see whole images of 64 x 3000 pixels at 192 px a side at most, where 16 px along become one"
    assert said in told(planned(tmp_path / "scans", "satellite"))
    assert "become one" not in told(planned(tmp_path / "scans", "satellite", overrides=["evaluate.task=anomaly"]))


def test_what_is_shrunk_a_little_is_not_told() -> None:
    assert squeezed([(600, 800)], 256) is None and squeezed([(64, 64, 4000)], 128) is None
    assert "4096 pixels at 256 px a side at most, where 16 px along become one and what is shorter than 128 px" in str(
        squeezed([(3000, 4096), (30, 40), (3000, 4096)], 256)
    )
