"""What the exported script makes of boxes on tiles is what `labelfree predict` makes of them."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from labelfree.data.boxes import Detections
from labelfree.transfer.boxes.merging import merged
from tests.transfer.boxes.test_merging import as_set, seen, tiles_of

pytest.importorskip("onnxruntime")


def by_script(parts: list[Detections], tiles: np.ndarray) -> Detections:
    """The same tiles through the script."""
    from labelfree.deploy.exports.infer_onnx import joined

    of_tile = np.repeat(np.arange(len(tiles)), [len(part) for part in parts])
    found = Detections.together(parts)
    boxes = found.corners + np.tile(tiles[of_tile, :2], 2)
    return Detections(*joined(boxes, found.label, found.score, tiles.astype(np.float64), of_tile))


def test_an_object_across_four_tiles_is_one() -> None:
    objects = Detections.of([[60, 50, 960, 950]], [0], [0.7])
    tiles = tiles_of(1000, 1000, 600)
    assert as_set(by_script(seen(objects, tiles), tiles)) == as_set(objects)


def test_without_boxes_there_are_no_objects() -> None:
    tiles = tiles_of(300, 300, 128)
    assert len(by_script([Detections.none()] * len(tiles), tiles)) == 0


@given(seed=st.integers(0, 10_000), height=st.integers(100, 500), width=st.integers(100, 500), off=st.sampled_from([0.0, 0.05]))
@settings(max_examples=60, deadline=None)
def test_boxes_are_joined_as_predict_joins_them(seed: int, height: int, width: int, off: float) -> None:
    """Objects of any size, on every tile a little off, beside boxes that show nothing."""
    generator = np.random.default_rng(seed)
    tiles = tiles_of(height, width, 128)
    least = generator.uniform(0, [width, height], size=(12, 2))
    corners = np.concatenate([least, least + np.exp(generator.uniform(np.log(8), np.log(300), size=(12, 2)))], axis=1)
    objects = Detections.of(corners.clip(0, [width, height] * 2), generator.integers(2, size=12), np.ones(12))
    parts = []
    for part in seen(objects, tiles):
        sides = np.tile(part.corners[:, 2:] - part.corners[:, :2], 2)
        moved = np.clip(part.corners + generator.normal(0, off, size=sides.shape) * sides, 0, 128)
        false = generator.uniform(0, 100, size=(2, 2))
        moved = np.concatenate([moved, np.hstack([false, false + 20])])
        label = np.concatenate([part.label, generator.integers(2, size=2)])
        parts.append(Detections.of(moved, label, generator.random(len(moved))))
    theirs, ours = by_script(parts, tiles), merged(parts, tiles)
    np.testing.assert_allclose(theirs.corners, ours.corners, atol=1e-3)
    np.testing.assert_array_equal(theirs.label, ours.label)
    np.testing.assert_array_equal(theirs.score, ours.score)


def test_the_strongest_boxes_are_told_without_comparing_each_with_all() -> None:
    """Undertrained heads find tens of thousands on a large picture: of each only what begins before it ends is looked at."""
    from labelfree.deploy.exports.infer_onnx import strongest

    draw = np.random.default_rng(0)
    corners = draw.uniform(0, [4096, 3000], (20_000, 2))
    boxes = np.concatenate([corners, corners + draw.uniform(8, 48, (20_000, 2))], 1)
    labels = draw.integers(2, size=len(boxes))
    begun = time.process_time()
    kept = strongest(boxes, labels, np.zeros(len(boxes), bool))
    assert time.process_time() - begun < 5  # comparing each with all took 11
    expected = torchvision.ops.batched_nms(
        torch.from_numpy(boxes), -torch.arange(len(boxes), dtype=torch.float64), torch.from_numpy(labels), 0.5
    )
    np.testing.assert_array_equal(kept, expected)
