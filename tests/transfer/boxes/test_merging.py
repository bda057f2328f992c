"""Boxes of tiles merged: what a detector that sees everything says of tiles becomes what there is, whatever borders cut."""

from __future__ import annotations

from itertools import pairwise
from time import perf_counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import batched_nms

from labelfree.data.boxes import Detections, overlaps
from labelfree.transfer.boxes.merging import merged
from labelfree.transfer.tiles.tiling import Tiling


def tiles_of(height: int, width: int, side: int) -> np.ndarray:
    """(t, 4) x0, y0, x1, y1 of the tiles of an image."""
    first = Tiling((side, side), ((height, width),)).corner
    return np.concatenate([first[:, ::-1], first[:, ::-1] + side], axis=1)


def seen(objects: Detections, tiles: np.ndarray) -> list[Detections]:
    """What each tile shows of objects, in its pixels."""
    parts = []
    for tile in tiles:
        corners = objects.corners - np.tile(tile[:2], 2)
        corners = np.clip(corners, 0, np.tile(tile[2:] - tile[:2], 2)).astype(np.float32)
        shown = (corners[:, 2:] > corners[:, :2]).all(1)
        parts.append(Detections(corners, objects.label, objects.score)[shown])
    return parts


def as_set(found: Detections) -> set[tuple[float, ...]]:
    return {(*corners, label) for corners, label in zip(found.corners.tolist(), found.label.tolist(), strict=True)}


def test_an_object_of_900_pixels_across_four_tiles_is_one() -> None:
    objects = Detections.of([[60, 50, 960, 950]], [0], [0.7])
    tiles = tiles_of(1000, 1000, 600)
    assert len(tiles) == 4 and all(len(part) == 1 for part in seen(objects, tiles))
    found = merged(seen(objects, tiles), tiles)
    assert as_set(found) == as_set(objects) and found.score.tolist() == pytest.approx([0.7])


def test_a_chain_of_parts_is_one_object_with_the_highest_score_of_them() -> None:
    objects = Detections.of([[10, 40, 3990, 60]], [0], [0.5])
    tiles = tiles_of(100, 4000, 128)
    parts = seen(objects, tiles)
    assert len(tiles) > 30
    scored = [Detections(part.corners, part.label, np.float32([at / 100])) for at, part in enumerate(parts)]
    found = merged(scored, tiles)
    assert as_set(found) == as_set(objects) and found.score.tolist() == pytest.approx([(len(tiles) - 1) / 100])


def test_neighbours_that_only_touch_stay_two_wherever_the_border_is() -> None:
    tiles = tiles_of(256, 448, 256)
    assert tiles[:, 0].tolist() == [0, 192]
    for between in range(180, 270):
        objects = Detections.of([[between - 150, 20, between, 90], [between, 20, between + 150, 90]], [0, 0], [0.9, 0.8])
        assert as_set(merged(seen(objects, tiles), tiles)) == as_set(objects)


def test_boxes_of_two_classes_are_never_joined() -> None:
    tiles = tiles_of(256, 448, 256)
    left, right = Detections.of([[150, 20, 256, 90]], [0], [0.9]), Detections.of([[0, 20, 100, 90]], [1], [0.8])
    assert len(merged([left, right], tiles)) == 2
    assert len(merged([left, Detections(right.corners, left.label, right.score)], tiles)) == 1


@given(seed=st.integers(0, 10_000), height=st.integers(100, 900), width=st.integers(100, 900), side=st.sampled_from([128, 200, 256]))
@settings(max_examples=60, deadline=None)
def test_what_every_tile_shows_of_separate_objects_becomes_these(seed: int, height: int, width: int, side: int) -> None:
    """Objects fill cells of a random grid, so that they touch and none overlaps another."""
    generator = np.random.default_rng(seed)
    across, down = (np.unique([0, *generator.integers(8, size - 8, size=4), size]) for size in (width, height))
    cells = [(x0, y0, x1, y1) for x0, x1 in pairwise(across) for y0, y1 in pairwise(down)]
    cells = [cell for cell in cells if generator.random() < 0.7 and min(cell[2] - cell[0], cell[3] - cell[1]) >= 4]
    objects = Detections.of(np.reshape(cells, (-1, 4)), generator.integers(2, size=len(cells)), generator.random(len(cells)))
    tiles = tiles_of(height, width, side)
    assert as_set(merged(seen(objects, tiles), tiles)) == as_set(objects)


@given(seed=st.integers(0, 10_000), count=st.integers(0, 60), classes=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_one_tile_is_torchvisions_suppression(seed: int, count: int, classes: int) -> None:
    generator = np.random.default_rng(seed)
    least = generator.uniform(0, 150, size=(count, 2))
    corners = np.concatenate([least, least + generator.uniform(5, 100, size=(count, 2))], axis=1)
    found = Detections.of(corners, generator.integers(classes, size=count), generator.permutation(count) / max(1, count))
    kept = batched_nms(*map(torch.from_numpy, (found.corners, found.score, found.label)), 0.5).numpy()
    got = merged([found], np.array([[0, 0, 256, 256]]))
    np.testing.assert_array_equal(got.corners, found[kept].corners)
    np.testing.assert_array_equal(got.score, found[kept].score)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_order_of_tiles_changes_nothing_and_no_two_boxes_of_a_class_cover_each_other(seed: int) -> None:
    generator = np.random.default_rng(seed)
    tiles = tiles_of(400, 500, 128)
    parts = []
    for _ in tiles:
        least = generator.uniform(0, 100, size=(6, 2))
        corners = np.concatenate([least, np.minimum(least + generator.uniform(5, 90, size=(6, 2)), 128)], axis=1)
        parts.append(Detections.of(corners, generator.integers(2, size=6), generator.random(6)))
    found, order = merged(parts, tiles), generator.permutation(len(tiles))
    again = merged([parts[at] for at in order], tiles[order])
    assert as_set(found) == as_set(again)
    assert (np.diff(found.score) <= 0).all()
    share = overlaps(found.corners, found.corners) * (found.label[:, None] == found.label[None])
    assert share[~np.eye(len(found), dtype=bool)].max(initial=0) <= 0.5 + 1e-6
    assert len(merged(parts, tiles, most=5)) == 5


def test_an_object_that_one_tile_shows_whole_keeps_that_box() -> None:
    tiles = tiles_of(256, 448, 256)
    whole, part = Detections.of([[150, 20, 236, 90]], [0], [0.6]), Detections.of([[0, 19, 47, 92]], [0], [0.9])
    found = merged([whole, part], tiles)
    assert found.corners.tolist() == [[150, 20, 236, 90]] and found.score.tolist() == pytest.approx([0.9])


def test_a_part_that_found_no_other_is_no_object_of_its_own() -> None:
    tiles = tiles_of(256, 448, 256)
    whole, part = Detections.of([[120, 20, 240, 90]], [0], [0.9]), Detections.of([[0, 20, 16, 50]], [0], [0.5])
    assert as_set(merged([whole, part], tiles)) == {(120.0, 20.0, 240.0, 90.0, 0)}


def test_boxes_that_are_a_little_off_still_become_their_objects() -> None:
    """Objects of 15 to 500 pixels on tiles of 512; sides are off by 4 %, scores by up to 40 %, and slivers are not seen."""
    objects_in_all, found_in_all, boxes_in_all = 0, 0, 0
    for seed in range(15):
        generator = np.random.default_rng(seed)
        least = generator.uniform(0, 1400, size=(56, 2))
        corners = np.concatenate(
            [least, np.minimum(least + np.exp(generator.uniform(np.log(15), np.log(500), size=(56, 2))), 1500)], axis=1
        )
        apart: list[np.ndarray] = []
        for box in corners:
            if not apart or not overlaps(box[None], np.array(apart)).any():
                apart.append(box)
        objects = Detections.of(np.array(apart), [0] * len(apart), generator.uniform(0.5, 1, size=len(apart)))
        tiles = tiles_of(1500, 1500, 512)
        parts = []
        for part in seen(objects, tiles):
            sides = np.tile(part.corners[:, 2:] - part.corners[:, :2], 2)
            moved = np.clip(part.corners + generator.normal(0, 0.04, size=sides.shape) * sides, 0, 512).astype(np.float32)
            score = (part.score * generator.uniform(0.6, 1, size=len(part))).astype(np.float32)
            parts.append(Detections(moved, part.label, score)[sides.min(1) >= 6])
        found = merged(parts, tiles)
        objects_in_all, boxes_in_all = objects_in_all + len(objects), boxes_in_all + len(found)
        found_in_all += int((overlaps(found.corners, objects.corners).max(0) >= 0.5).sum())
    assert objects_in_all > 400 and found_in_all >= 0.98 * objects_in_all and boxes_in_all <= 1.05 * objects_in_all


def test_nothing_found_is_nothing() -> None:
    assert len(merged([], np.zeros((0, 4)))) == 0
    assert len(merged([Detections.none()] * 3, np.zeros((3, 4)))) == 0


def test_thousands_of_tiles_take_seconds() -> None:
    tiles = tiles_of(20_000, 20_000, 512)
    assert len(tiles) > 2500
    generator = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(100), np.arange(100)), -1).reshape(-1, 2) * 200 + generator.uniform(0, 60, size=(10_000, 2))
    objects = Detections.of(
        np.concatenate([grid, grid + generator.uniform(20, 130, size=(10_000, 2))], axis=1), [0] * 10_000, [0.5] * 10_000
    )
    parts, start = seen(objects, tiles), perf_counter()
    found = merged(parts, tiles)
    assert perf_counter() - start < 20  # 2 s on an idle core
    assert as_set(found) == as_set(objects)
