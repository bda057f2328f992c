"""Masks and boxes of a pool's images, cut where their entries were cut: a memory-mapped store beside the pool, in the order of its entries.

`masks.npy` (flat, int16), `instances.npy` (flat, int32), `index.npz` and `meta.json`, in one folder that appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from labelfree.data.content import file_mark
from labelfree.data.pixel_labels import PixelLabels
from labelfree.data.pool import Pool, read_sample
from labelfree.data.pool_store import checksum
from labelfree.domain import IGNORE, Row, Sample, Targets
from labelfree.errors import DataError

FORMAT = 2
FILES = ("masks.npy", "instances.npy", "index.npz")
ReadTargets = Callable[[Row, Sample], Targets]


@dataclass(frozen=True)
class DenseStore:
    """Labels of the entries of a pool. `classes`: what boxes are called, in the order of their numbers."""

    folder: Path
    classes: tuple[str, ...]

    @cached_property
    def _masks(self) -> np.ndarray:
        return _mapped(self.folder / "masks.npy")

    @cached_property
    def _instances(self) -> np.ndarray:
        return _mapped(self.folder / "instances.npy")

    @cached_property
    def _index(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "index.npz", allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    @property
    def masked(self) -> np.ndarray:
        """(E,) whether pixels of an entry's image have labels."""
        return np.diff(self._index["offsets"]) > 0

    @property
    def boxed(self) -> np.ndarray:
        """(E,) whether boxes are known of an entry's image: none may lie on the entry itself."""
        return self._index["boxed"]

    def mask(self, entry: int) -> Tensor | None:
        """(*spatial) int16 of an entry, `IGNORE` where its image was padded or nobody knows; None where its image has no labels."""
        return self._cut(self._masks, entry)

    def instances(self, entry: int) -> Tensor | None:
        """(*spatial) int32: the object of its image that each pixel belongs to, as in `PixelLabels`; None where they are not told apart."""
        return self._cut(self._instances, entry) if len(self._instances) >= self._index["offsets"][-1] else None

    def _cut(self, flat: np.ndarray, entry: int) -> Tensor | None:
        start, stop = self._index["offsets"][entry : entry + 2]
        if start == stop:
            return None
        return torch.from_numpy(flat[start:stop].reshape(tuple(self._index["shape"][entry])).copy())

    def boxes(self, entry: int) -> tuple[Tensor, Tensor] | None:
        """(n, 2 * axes) in the entry's pixels, cut off at its edges, and (n,) their classes' numbers; None where its image has no boxes."""
        if not self.boxed[entry]:
            return None
        start, stop = self._index["firsts"][entry : entry + 2]
        return torch.from_numpy(self._index["boxes"][start:stop].copy()), torch.from_numpy(self._index["names"][start:stop].copy())


def build_dense_store(
    pool: Pool, read: Callable[[Row], Sample], labels: PixelLabels, read_targets: ReadTargets | None = None
) -> DenseStore:
    """What the pixels of the pool's images show, cut as the images were, and where `read_targets` is given their boxes.

    Reopened where labels of this content are there already.

    Raises `DataError` naming the mask or the boxes that are missing, broken, or do not fit.
    """
    folder = pool.folder.with_name(f"{pool.folder.name}-labels-{_key(pool.images, labels, boxed=read_targets is not None)}")
    classes = _intact(folder)
    if classes is not None:
        return DenseStore(folder, classes)
    if folder.exists():
        shutil.rmtree(folder)
    making = folder.with_name(f"{folder.name}.making-{uuid4().hex[:8]}")
    making.mkdir(parents=True)
    try:
        classes = _write(making, pool, read, labels, read_targets)
        making.replace(folder)
    except OSError as error:
        if _intact(folder) is None:  # else another process was faster: its store holds the same
            reason = error.strerror or error
            raise DataError(f"{folder.parent}: the labels cannot be written ({reason}); free some space, or set pool.dir.") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return DenseStore(folder, classes or ())


def cut_mask(mask: np.ndarray, corner: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """The part of a mask (*spatial) of this `shape` whose first pixel lies at `corner`; what lies outside the mask is `IGNORE`."""
    part = np.full(tuple(shape), IGNORE, mask.dtype)
    ends = [(max(first, 0), min(first + length, side)) for first, length, side in zip(corner, shape, mask.shape, strict=True)]
    if all(low < high for low, high in ends):
        there = tuple(slice(low - first, high - first) for (low, high), first in zip(ends, corner, strict=True))
        part[there] = mask[tuple(slice(low, high) for low, high in ends)]
    return part


def cut_boxes(boxes: np.ndarray, corner: Sequence[int], shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Those of the boxes (n, 2 * axes) that such a part shows, in its pixels, cut off at its edges; and (n,) bool, which these are."""
    axes = len(corner)
    moved = (boxes.reshape(-1, 2, axes) - np.asarray(corner)).clip(0, np.asarray(shape))
    shown = (moved[:, 1] > moved[:, 0]).all(1)
    return moved[shown].reshape(-1, 2 * axes).astype(np.float32), shown


def _mapped(file: Path) -> np.ndarray:
    mapped: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
    return mapped.view(np.ndarray)


def _key(rows: Sequence[Row], labels: PixelLabels, boxed: bool) -> str:
    """Of what the labels of these rows hold."""
    seen = hashlib.blake2b(f"{FORMAT} {labels.digest} {labels.classes}".encode(), digest_size=8)
    for row in rows:
        boxes = row.listed.digest if row.listed is not None else _mark(row.boxes)
        seen.update(f"{row.id}\n{boxes if boxed else ''}\n".encode())
    return seen.hexdigest()


def _mark(cell: str | None) -> str:
    """Identity of what a cell names."""
    return f"{cell} {file_mark(Path(cell))}" if cell else ""


def _write(
    folder: Path, pool: Pool, read: Callable[[Row], Sample], labels: PixelLabels, read_targets: ReadTargets | None
) -> tuple[str, ...]:
    """Masks one image after the other, then the index; returns the boxes' classes."""
    index = pool.index
    sizes = np.where([row.id in labels.pixels for row in pool.rows], index.shape.prod(axis=1), 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    most = int(offsets[-1])
    masks = np.lib.format.open_memmap(folder / "masks.npy", mode="w+", dtype=np.int16, shape=(max(1, most),))
    instances = np.lib.format.open_memmap(folder / "instances.npy", mode="w+", dtype=np.int32, shape=(most if labels.apart else 0,))
    boxes, names = [np.zeros((0, 2 * index.shape.shape[1]), np.float32)], list[list[str]]()
    firsts = np.searchsorted(index.row_of, np.arange(len(pool.images) + 1))  # entries of an image follow each other
    for row, (first, after) in zip(pool.images, pairwise(firsts), strict=True):
        labelled, boxed = row.id in labels.pixels, read_targets is not None and row.boxes is not None
        sample = _sample(row, read) if labelled or boxed else None
        mask = labels.mask(row, sample) if labelled and sample is not None else None
        objects = labels.instances(row, sample) if labelled and labels.apart and sample is not None else None
        targets = read_targets(row, sample) if boxed and read_targets is not None and sample is not None else Targets()
        for entry in range(first, after):
            corner, shape = index.corner[entry].tolist(), index.shape[entry].tolist()
            for flat, whole in ((masks, mask), (instances, objects)):
                if whole is not None:
                    flat[offsets[entry] : offsets[entry + 1]] = cut_mask(whole, corner, shape).ravel()
            if targets.boxes is None:
                names.append([])
                continue
            part, shown = cut_boxes(targets.boxes.numpy(), corner, shape)
            boxes.append(part)
            names.append([name for name, seen in zip(targets.names, shown, strict=True) if seen])
    for flat in (masks, instances):
        flat.flush()  # type: ignore[attr-defined]
    del masks, instances, flat  # Windows keeps a mapped file from being moved
    classes = tuple(sorted({name for entry in names for name in entry}))
    np.savez(
        folder / "index.npz",
        shape=index.shape,
        offsets=offsets,
        firsts=np.cumsum([0, *map(len, names)]),
        boxed=np.array([read_targets is not None and row.boxes is not None for row in pool.rows]),
        boxes=np.concatenate(boxes),
        names=np.array([classes.index(name) for entry in names for name in entry], dtype=np.int64),
    )
    sums = {name: checksum(folder / name) for name in FILES}
    (folder / "meta.json").write_text(json.dumps({"format": FORMAT, "classes": classes, "sums": sums}, indent=1), encoding="utf-8")
    return classes


def _sample(row: Row, read: Callable[[Row], Sample]) -> Sample:
    sample = read_sample(read, row)
    if isinstance(sample, DataError):
        raise sample
    return sample


def _intact(folder: Path) -> tuple[str, ...] | None:
    """The boxes' classes of a store, None where it is missing, half-written or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        whole = meta["format"] == FORMAT and all(checksum(folder / name) == meta["sums"][name] for name in FILES)
        return tuple(meta["classes"]) if whole else None
    except (OSError, ValueError, KeyError):
        return None
