"""Labels of pixels are cut as their images are, and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelfree.data.dense_store import DenseStore, build_dense_store, cut_boxes, cut_mask
from labelfree.data.pixel_labels import PixelLabels, pixel_labels
from labelfree.data.pool import Pool, build_pool
from labelfree.data.tiles import Cut
from labelfree.domain import IGNORE, Row, Sample, Targets
from labelfree.errors import DataError
from labelfree.progress import Silent
from tests.data.fake_domain import PillowDomain

SHAPES = ((40, 30), (16, 20), (10, 50), (33, 16))
TILE = 16


@settings(deadline=None)
@given(st.data(), st.sampled_from([2, 3]))
def test_cutting_image_and_mask_together_is_cutting_the_mask_at_the_images_corners(data: st.DataObject, axes: int) -> None:
    """Padded pixels of an image repeat others, of a mask they are ignored; all others are the same."""
    shape = tuple(data.draw(st.integers(2, 40)) for _ in range(axes))
    tile = tuple(data.draw(st.integers(1, 2 * min(shape) - 1)) for _ in range(axes))
    mask = np.random.default_rng(0).integers(0, 9, shape).astype(np.int32)
    where = np.stack([mask, *np.indices(shape)])
    for corner, pixels, _ in Cut(tile, most=4)(where, "a"):
        part = cut_mask(mask, corner, pixels.shape[1:])
        at = np.indices(part.shape) + np.reshape(corner, (-1, *(1,) * axes))
        padded = ((at < 0) | (at >= np.reshape(shape, (-1, *(1,) * axes)))).any(0)
        assert (part[padded] == IGNORE).all() and np.array_equal(part[~padded], pixels[0][~padded])
        assert np.array_equal(pixels[1:][:, ~padded], at[:, ~padded])


@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
def test_boxes_are_cut_as_the_pixels_they_cover(seed: int, axes: int) -> None:
    draw = np.random.default_rng(seed)
    corner, shape = draw.integers(-3, 9, axes), draw.integers(1, 9, axes)
    ends = np.sort(draw.integers(0, 16, (5, 2, axes)), axis=1) + np.array([[0], [1]])
    boxes, shown = cut_boxes(ends.reshape(5, -1).astype(np.float32), corner.tolist(), shape.tolist())
    kept = iter(boxes)
    for (low, high), seen in zip(ends, shown, strict=True):
        whole = np.full((20,) * axes, 0, np.int32)
        whole[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 1
        part = cut_mask(whole, corner.tolist(), shape.tolist()) == 1
        assert part.any() == seen
        if seen:
            covered = np.argwhere(part)
            assert np.array_equal(next(kept), [*covered.min(0), *(covered.max(0) + 1)])


def image_and_mask(row: Row) -> tuple[Sample, np.ndarray]:
    """An image whose first channel is its mask."""
    shape = SHAPES[int(row.id)]
    mask = np.random.default_rng(int(row.id)).integers(0, 9, shape).astype(np.int16)
    return Sample(torch.from_numpy(np.stack([mask, mask * 2])), ("a", "b"), (1.0,) * 2, (0.0,) * 2, "stored"), mask


def read(row: Row) -> Sample:
    return image_and_mask(row)[0]


def read_targets(row: Row, sample: Sample) -> Targets:
    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [2.0, 2.0, 9.0, 14.0]]) if row.boxes else None
    return Targets(None, boxes, ("tank", "ship") if row.boxes else ())


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Four images of ragged size; the first has no label, the second boxes alone."""
    rows = []
    for number in range(4):
        path, label = tmp_path / f"{number}.bin", tmp_path / f"{number}.label"
        path.write_bytes(bytes([number]))
        label.write_bytes(b"label")
        mask = tmp_path / f"{number}.png"
        Image.fromarray(image_and_mask(Row(str(number), path))[1].astype(np.uint8)).save(mask)
        boxes = str(label) if number in (1, 2) else None
        rows.append(Row(str(number), path, mask=str(mask) if number > 1 else None, boxes=boxes))
    return build_pool(rows, read, {}, tmp_path / "pool", say=Silent(), tile=TILE)


def labels_of(pool: Pool, instances: bool = False) -> PixelLabels:
    return pixel_labels(pool.images, PillowDomain(), read, {} if instances else {"0": "0"}, instances=instances)


def build(pool: Pool, labels: PixelLabels | None = None) -> DenseStore:
    return build_dense_store(pool, read, labels or labels_of(pool), read_targets)


def test_entries_have_the_labels_of_their_pixels(pool: Pool) -> None:
    store = build(pool)
    numbers = [int(row.id) for row in pool.rows]
    assert store.masked.tolist() == [number > 1 for number in numbers]
    assert store.boxed.tolist() == [number in (1, 2) for number in numbers]
    assert store.classes == ("ship", "tank") and len(pool) > 6
    for entry, number in enumerate(numbers):
        mask = store.mask(entry)
        if number < 2:
            assert mask is None
        else:
            assert mask is not None and mask.shape == (TILE, TILE) and mask.dtype == torch.int16
            assert store.instances(entry) is None
            known = mask != IGNORE
            assert torch.equal(mask[known], pool[entry][0][known].short())
            assert bool(known.all()) == (min(SHAPES[number]) >= TILE)
        found = store.boxes(entry)
        assert (found is not None) == (number in (1, 2))
        if found is not None:
            assert len(found[0]) == len(found[1]) and ((found[0] >= 0) & (found[0] <= TILE)).all()
            if tuple(pool.index.corner[entry]) == (0, 0):
                assert found[0].tolist() == [[0, 0, 9, 9], [2, 2, 9, 14]] and found[1].tolist() == [1, 0]


def test_it_is_reopened_made_anew_after_damage_and_another_where_labels_change(pool: Pool) -> None:
    store = build(pool)
    times = (store.folder / "masks.npy").stat().st_mtime_ns
    assert build(pool).folder == store.folder and (store.folder / "masks.npy").stat().st_mtime_ns == times
    (store.folder / "masks.npy").write_bytes(b"broken")
    again = build(pool)
    assert again.mask(len(pool) - 1) is not None and [path.name for path in again.folder.parent.glob("*making*")] == []
    Image.fromarray(np.zeros(SHAPES[3], np.uint8)).save(str(pool.images[3].mask))
    assert build(pool).folder != store.folder


def test_objects_are_kept_where_they_are_told_apart(pool: Pool) -> None:
    store = build(pool, labels_of(pool, instances=True))
    entry = len(pool) - 1
    objects, mask = store.instances(entry), store.mask(entry)
    assert objects is not None and mask is not None and objects.dtype == torch.int32
    assert torch.equal(objects[objects != IGNORE], pool[entry][0][objects != IGNORE].int()) and torch.equal(objects > 0, mask == 1)
    assert store.folder != build(pool).folder and store.instances(0) is None


def test_without_any_label_it_holds_nothing_and_a_missing_mask_is_named(pool: Pool) -> None:
    pool.images[:] = [replace(row, mask=None, boxes=None) for row in pool.images]
    store = build(pool)
    assert not store.masked.any() and not store.boxed.any() and store.mask(0) is None and store.boxes(0) is None
    del pool.__dict__["rows"]
    labels = labels_of(pool)
    pool.images[1] = replace(pool.images[1], mask="no.png")
    labels = replace(labels, pixels={"1": {}}, digest="of other masks")
    with pytest.raises(DataError, match=r"no\.png: there is no such mask"):
        build(pool, labels)
    assert [path.name for path in store.folder.parent.glob("*making*")] == []
