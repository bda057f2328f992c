"""Which voxel planes go through, and that image and maps are cut alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelfree.domain import IGNORE, Sample, ShowsPlanes, find_domain
from labelfree.pipeline.volume_planes import middle_of_largest, pictures, place_shown


def boxes() -> tuple[np.ndarray, np.ndarray]:
    """A large structure and a small one, of which the small one was missed."""
    truth = np.zeros((20, 24, 16), np.int16)
    truth[2:9, 3:12, 4:11] = 1
    called = truth.copy()
    truth[14:17, 18:21, 12:15] = 2
    truth[:, :, 0] = IGNORE
    called[:, :, 0] = 1
    return truth, called


def test_of_the_largest_structure_or_the_largest_error() -> None:
    truth, called = boxes()
    structure = place_shown(truth, called, (1, 2), errors=False)
    assert all(low <= at < high for at, low, high in zip(structure, (2, 3, 4), (9, 12, 11), strict=True))
    error = place_shown(truth, called, (1, 2), errors=True)
    assert all(low <= at < low + 3 for at, low in zip(error, (14, 18, 12), strict=True)), "what nobody knows is no error"


def test_where_nothing_is_wrong_or_there_the_other_or_the_middle() -> None:
    truth, _ = boxes()
    known = np.where(truth == IGNORE, 0, truth)
    assert place_shown(known, known, (1, 2), errors=True) == place_shown(known, known, (1, 2), errors=False)
    nothing = np.zeros((4, 6, 8), int)
    assert place_shown(nothing, nothing, (1,), errors=True) == (2, 3, 4)


def test_the_slices_that_show_most_of_a_patch() -> None:
    ball = np.square(np.stack(np.indices((20, 20, 20)), -1) - (6, 9, 12)).sum(-1) < 20
    assert middle_of_largest(ball) == (6, 9, 12)


def test_image_and_map_of_a_volume_lie_on_each_other() -> None:
    """Bright where the map says so, in each of the three planes of a volume with long voxels."""
    pytest.importorskip("labelfree_medical")
    domain = find_domain("medical")
    assert isinstance(domain, ShowsPlanes)
    truth, _ = boxes()
    numbers = np.where(truth == 2, 1, 0)
    sample = Sample(torch.from_numpy(1000 * numbers[None].astype(np.int16)), ("ct",), (1.0,), (0.0,), "stored", spacing=(1.0, 1.0, 3.0))
    place = middle_of_largest(numbers > 0)
    image, maps = pictures(domain, sample, {"truth": numbers, "empty": 0 * numbers}, place)
    assert image.shape[:2] == maps["truth"].shape == (48, 20 + 20 + 24)
    np.testing.assert_array_equal(image[..., 0] > 128, maps["truth"] == 1)
    assert (maps["truth"] == 1).sum() == 3 * 3 + 2 * (3 * 9), "one pixel a millimetre: axial, coronal, sagittal"
    assert set(np.unique(maps["empty"])) == {-2, 0}, "-2 where a plane is lower than the others"


def test_pictures_are_shown_as_they_are() -> None:
    class Plain:
        def preview(self, sample: Sample) -> np.ndarray:
            return np.zeros((4, 5, 3), np.uint8)

    sample = Sample(torch.zeros(1, 4, 5), ("x",), (1.0,), (0.0,), "stored")
    image, maps = pictures(Plain(), sample, {"truth": np.ones((4, 5))}, (2, 2))  # type: ignore[arg-type]
    assert image.shape == (4, 5, 3) and maps["truth"].shape == (4, 5)
