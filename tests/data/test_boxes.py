"""Overlaps of boxes against torchvision's and COCO's own."""

from __future__ import annotations

import numpy as np
import torch
from faster_coco_eval.core import mask as coco
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_area, box_iou

from labelfree.data.boxes import Boxes, Detections, areas, overlaps


def corners_of(generator: np.random.Generator, count: int) -> np.ndarray:
    least = generator.uniform(0, 60, size=(count, 2))
    return np.concatenate([least, least + generator.uniform(1, 60, size=(count, 2))], axis=1).astype(np.float32)


def sized(corners: np.ndarray) -> np.ndarray:
    """x, y, width, height."""
    wide = corners.astype(np.float64)
    return np.concatenate([wide[:, :2], wide[:, 2:] - wide[:, :2]], axis=1)


@given(seed=st.integers(0, 10_000), found=st.integers(0, 12), drawn=st.integers(0, 12))
@settings(max_examples=30, deadline=None)
def test_overlaps_equal_torchvisions_and_those_with_crowds_cocos(seed: int, found: int, drawn: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = corners_of(generator, found), corners_of(generator, drawn)
    np.testing.assert_allclose(areas(first), box_area(torch.from_numpy(first).double()).numpy())
    both = box_iou(torch.from_numpy(first).double(), torch.from_numpy(second).double()).numpy()
    np.testing.assert_allclose(overlaps(first, second), both, atol=1e-12)
    crowd = generator.random(drawn) < 0.5
    if found and drawn:
        expected = coco.iou(sized(first), sized(second), crowd.astype(np.uint8).tolist())
        np.testing.assert_allclose(overlaps(first, second, whole=crowd), expected, atol=1e-12)


def test_boxes_without_area_overlap_nothing() -> None:
    flat = np.array([[3, 3, 3, 9]], np.float32)
    assert overlaps(flat, flat).tolist() == [[0.0]]


def test_boxes_of_volumes_have_three_sides() -> None:
    cube = Boxes.of([[0, 0, 0, 2, 2, 2], [1, 1, 1, 3, 3, 3]], [0, 0]).corners
    assert areas(cube).tolist() == [8, 8]
    np.testing.assert_allclose(overlaps(cube, cube), [[1, 1 / 15], [1 / 15, 1]])


def test_the_strongest_come_first_and_of_equal_ones_the_earlier() -> None:
    found = Detections.of(np.arange(16).reshape(4, 4), [0, 1, 2, 3], [0.5, 0.9, 0.5, 0.1])
    assert found.strongest().label.tolist() == [1, 0, 2, 3]
    assert found.strongest(2).label.tolist() == [1, 0]
    assert Detections.together([found, Detections.none(), found]).label.tolist() == [0, 1, 2, 3] * 2
    assert len(Detections.together([])) == 0


def test_objects_are_what_is_not_ignored() -> None:
    drawn = Boxes.of([[0, 0, 1, 1], [2, 2, 3, 3]], [0, -1], [False, True])
    assert drawn.objects.label.tolist() == [0] and len(Boxes.none().objects) == 0
