"""A pool on disk, in one folder that appears whole or not at all.

`data.npy` (memory-mapped), `measured.bin` (one bit a pixel of entries with gaps), `index.npz` and `meta.json`.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from uuid import uuid4

import numpy as np

from labelfree.data.measured_pixels import pack
from labelfree.data.pool_index import Facts, PoolIndex
from labelfree.data.tiles import Tile
from labelfree.errors import DataError

FORMAT = 5
STALE_SECONDS = 6 * 3600
VERIFY_BYTES = 256 * 2**20
MASKS = "measured.bin"


class StoreWriter:
    """Appends entries to a new store under a temporary name; `finish` makes it durable and gives it its final one.

    Used as a context: leaving it without `finish` removes what was written.
    """

    def __init__(self, final: Path) -> None:
        self.final = final
        final.parent.mkdir(parents=True, exist_ok=True)
        _sweep(final)
        self.folder = final.with_name(f"{final.name}.making-{uuid4().hex[:8]}")
        self.folder.mkdir()
        self.file: BinaryIO = (self.folder / "data.npy").open("wb")
        self.facts: list[Facts] = []
        self.row_of: list[int] = []
        self.shapes: list[tuple[int, ...]] = []
        self.corners: list[tuple[int, ...]] = []
        self.checks: list[int] = []
        self.bits = bytearray()
        self.holes = [0]
        self.dtype = np.dtype(np.uint8)
        self.channels = 0

    def append(self, facts: Facts, entries: Sequence[Tile]) -> None:
        """One image: what is known of it, and its entries in the stored dtype."""
        try:
            for corner, entry, measured in entries:
                if not self.shapes:
                    self.dtype, self.channels = entry.dtype, entry.shape[0]
                    self._header(entry.shape, 0)
                raw = np.ascontiguousarray(entry).data.cast("B")
                self.file.write(raw)
                self.checks.append(zlib.crc32(raw))
                self.shapes.append(entry.shape[1:])
                self.corners.append(corner)
                self.row_of.append(len(self.facts))
                self.bits += pack(measured)
                self.holes.append(len(self.bits))
            self.facts.append(facts)
        except OSError as error:
            raise _full(self.final, error) from error

    def finish(self, meta: dict[str, Any]) -> Path:
        """Write index and meta, flush everything to the disk, rename."""
        sizes = [self.channels * int(np.prod(shape)) for shape in self.shapes]
        uniform = len(set(self.shapes)) == 1
        try:
            # numpy leaves room in the header for the first axis to grow, so that it can be rewritten in place
            self.file.seek(0)
            self._header((self.channels, *self.shapes[0]) if uniform else (), len(sizes) if uniform else sum(sizes))
            _sync(self.file)
            self.file.close()
            with (self.folder / MASKS).open("wb") as masks:
                masks.write(self.bits)
                _sync(masks)
            with (self.folder / "index.npz").open("wb") as index:
                np.savez(
                    index,
                    digests=np.array([fact.digest for fact in self.facts]),
                    most=np.array([fact.most for fact in self.facts], dtype=np.float64),
                    traces=np.stack([fact.trace for fact in self.facts]),
                    thumbs=np.stack([fact.thumb for fact in self.facts]),
                    crs=np.array([fact.crs for fact in self.facts]),
                    bounds=np.array([fact.bounds for fact in self.facts], dtype=np.float64),
                    spacing=np.array([fact.spacing for fact in self.facts], dtype=np.float64),
                    moments=np.stack([fact.moments for fact in self.facts]),
                    row_of=np.array(self.row_of, dtype=np.int64),
                    shape=np.array(self.shapes, dtype=np.int64),
                    corner=np.array(self.corners, dtype=np.int64),
                    offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
                    checks=np.array(self.checks, dtype=np.uint32),
                    holes=np.array(self.holes, dtype=np.int64),
                )
                _sync(index)
            stored = {name: (self.folder / name).stat().st_size for name in ("data.npy", MASKS, "index.npz")}
            sums = {"index": checksum(self.folder / "index.npz"), "masks": checksum(self.folder / MASKS)}
            with (self.folder / "meta.json").open("w", encoding="utf-8") as file:
                json.dump({**meta, "format": FORMAT, "bytes": stored, **sums}, file, indent=1)
                _sync(file)
        except OSError as error:
            raise _full(self.final, error) from error
        try:
            self.folder.replace(self.final)
        except OSError:  # another process was faster: its store holds the same
            if intact(self.final) is None:
                raise
        return self.final

    def _header(self, shape: tuple[int, ...], count: int) -> None:
        """The .npy header: (count, C, *spatial) for equal entries, flat for ragged ones; both take the same room."""
        full = (count, *shape)
        text = repr({"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": full}).encode("latin1")
        self.file.write(np.lib.format.magic(1, 0) + (HEADER - 10).to_bytes(2, "little") + text.ljust(HEADER - 11) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


HEADER = 256  # bytes, a multiple of 64 as the format asks, roomy enough for any shape


def intact(folder: Path) -> dict[str, Any] | None:
    """The store's meta, or None where it is missing, half-written or damaged.

    Index and masks are checked whole; pixels up to 256 MiB whole, beyond that in 64 entries spread over the file.
    """
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        whole = meta["format"] == FORMAT and all((folder / name).stat().st_size == size for name, size in meta["bytes"].items())
        if not whole or checksum(folder / "index.npz") != meta["index"] or checksum(folder / MASKS) != meta["masks"]:
            return None
        index = read_index(folder)
        flat = map_data(folder).reshape(-1)
        count = len(index.checks)
        chosen = range(count) if meta["bytes"]["data.npy"] <= VERIFY_BYTES else np.linspace(0, count - 1, 64).astype(int)
        good = all(zlib.crc32(flat[index.offsets[i] : index.offsets[i + 1]].data.cast("B")) == index.checks[i] for i in chosen)
        del flat  # Windows keeps a mapped file from being replaced
        return meta if good else None
    except (OSError, ValueError, KeyError, EOFError):
        return None


def read_index(folder: Path) -> PoolIndex:
    """The store's index."""
    with np.load(folder / "index.npz", allow_pickle=False) as arrays:
        return PoolIndex(**{name: arrays[name] for name in arrays.files})


def map_data(folder: Path) -> np.ndarray:
    """The store's pixels, memory-mapped: (E, C, *spatial), or flat where entries differ in size."""
    mapped: np.ndarray = np.load(folder / "data.npy", mmap_mode="r", allow_pickle=False)
    return mapped.view(np.ndarray)


def read_bits(folder: Path) -> np.ndarray:
    """The bits of measured pixels, (bytes,) uint8."""
    return np.frombuffer((folder / MASKS).read_bytes(), dtype=np.uint8)


def remove(folder: Path) -> None:
    """Delete a store, out of the way first, so that no half-deleted one is ever found."""
    if folder.exists():
        aside = folder.with_name(f"{folder.name}.making-{uuid4().hex[:8]}")
        folder.replace(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _sweep(final: Path) -> None:
    """Remove what killed builds of the same store left behind."""
    for left in final.parent.glob(f"{final.name}.making-*"):
        newest = max((path.stat().st_mtime for path in left.glob("*")), default=left.stat().st_mtime)
        if time.time() - newest > STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def checksum(path: Path) -> int:
    """CRC-32 of a file."""
    value = 0
    with path.open("rb") as file:
        while part := file.read(2**24):
            value = zlib.crc32(part, value)
    return value


def _full(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"{folder.parent}: the pool cannot be written ({error.strerror or error}); free some space, or set pool.dir or a lower pool.max_gb."
    )
