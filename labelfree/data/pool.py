"""Building a pool: every image is read once, by several threads, and goes in its stored dtype into a memory-mapped store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np

from labelfree.data.content import content_key
from labelfree.data.measured_pixels import finite
from labelfree.data.pool_index import Facts, facts, largest
from labelfree.data.pool_reader import Pool
from labelfree.data.pool_store import FORMAT, StoreWriter, intact, remove
from labelfree.data.scales import Scales, Stored
from labelfree.data.space import gigabytes, limit_bytes, sample_rows
from labelfree.data.threads import in_order
from labelfree.data.tiles import Cut, Tile, auto_tile, by
from labelfree.domain import Channel, Row, Sample, Size
from labelfree.errors import DataError, RecipeError
from labelfree.installed_domains import key_for
from labelfree.progress import Progress

__all__ = ["Kind", "Pool", "all_empty", "at_even_steps", "build_pool", "differs", "kind_of", "read_in_order", "read_sample", "some_empty"]

T = TypeVar("T")
Reader = Callable[[Row], Sample]
VOLUME = 3  # spatial axes
PROBE = 64  # images looked at before the plan is made
TRIES = 5  # of reading a file, where the interpreter fails and not the file
MOST_EMPTY = 0.5  # of an image, window or tile; beyond, what is not measured says more than what is


def build_pool(
    rows: Sequence[Row],
    read: Reader,
    settings: Mapping[str, Any],
    directory: Path,
    *,
    say: Progress,
    tile: Size | Literal["auto"] | None = None,
    max_gb: float | Literal["auto"] = "auto",
    on_error: Literal["fail", "skip"] = "fail",
    max_skipped: float = 0.01,
    workers: int | None = None,
    domain: str | None = None,
) -> Pool:
    """The pool of these rows, reopened where an intact one of the same contents and settings exists under `directory`.

    Args: `settings` is everything else that changes what `read` returns. `tile`: side in pixels, one for all axes or one each, `auto`, or
    None for whole images.
    `max_gb`: above it fewer tiles (then fewer images without a label) are kept, and `say` tells. `max_skipped`: share of the rows,
    one image at least. `domain`: that reads them, for sentences that name its keys.
    Raises `DataError` naming the file that cannot be read or differs from the others.
    """
    if not rows:
        raise DataError("There is no image to read.")
    key = content_key(rows, read, {"settings": dict(settings), "tile": tile, "max_gb": max_gb, "format": FORMAT}, workers)
    folder = directory / key
    meta = intact(folder)
    if meta is None:
        if folder.exists():
            say.say(f"Pool {folder} is damaged or half-written; it is built again.")
            remove(folder)
        meta = _Build(rows, read, folder, tile, max_gb, _Faults(len(rows), on_error, max_skipped), workers, say, domain).run()
    else:
        faults = _Faults(len(rows), on_error, max_skipped)
        for identity, reason in meta["skipped"]:
            faults.add(identity, DataError(reason))
        say.say(f"Pool {folder} holds these {len(meta['ids']):,} images already ({gigabytes(meta['bytes']['data.npy'])}).")
    pool = Pool(folder, meta, rows)
    if pool.empty:
        say.say(some_empty(pool.empty))
    return pool


class _Faults:
    """Images that could not be read: the first ends the work, or they are counted up to a share."""

    def __init__(self, total: int, on_error: str, max_skipped: float) -> None:
        self.total, self.on_error, self.share = total, on_error, max_skipped
        self.allowed = max(1, int(max_skipped * total)) if max_skipped > 0 else 0
        self.skipped: list[tuple[str, str]] = []

    def add(self, identity: str, error: DataError) -> None:
        if self.on_error == "fail":
            raise error
        self.skipped.append((identity, str(error)))
        if len(self.skipped) > self.allowed:
            raise DataError(
                f"{len(self.skipped)} of {self.total} images could not be read, more than data.max_skipped={self.share:g} allows; "
                f"the first: {self.skipped[0][1]}"
            )


@dataclass(frozen=True)
class Kind:
    """What all images of a pool share. `physical`: files differ in dtype or scale, so float32 physical units are stored.

    `meaning`: role and wavelength of each channel.
    """

    channels: tuple[str, ...]
    unit: str
    dtype: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    dims: int
    meaning: tuple[tuple[str, float | None], ...] = ()
    physical: bool = False

    @property
    def stored(self) -> Stored:
        """How its numbers are stored."""
        return Stored(self.dtype, self.scale, self.offset)

    def bytes_of(self, shape: Sequence[int]) -> float:
        """Of an image of this spatial size, as it is stored."""
        return float(np.prod(shape)) * len(self.channels) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class _Read:
    """One decoded image. `most`: its largest value, without sign, in physical units. `empty`: share of its pixels without a measurement."""

    row: Row
    kind: Kind
    shape: tuple[int, ...]
    most: float
    spacing: tuple[float, ...] | None = None
    facts: Facts | None = None
    entries: tuple[Tile, ...] = ()
    empty: float = 0.0


@dataclass(frozen=True)
class _Empty:
    """An image or a window of one with hardly a measurement: left out, and no fault."""

    row: Row


def _bytes_read(result: object) -> float:
    """Of the image that a result was made from; 0 where that is not known."""
    return result.kind.bytes_of(result.shape) if isinstance(result, _Read) else 0.0


class _Changed(Exception):
    """An image does not fit the plan that the probe suggested; the build starts again with a wider one."""


class _Build:
    def __init__(
        self,
        rows: Sequence[Row],
        read: Reader,
        folder: Path,
        tile: Any,
        max_gb: Any,
        faults: _Faults,
        workers: int | None,
        say: Progress,
        domain: str | None,
    ) -> None:
        self.rows, self.read, self.folder, self.faults, self.workers, self.say = rows, read, folder, faults, workers, say
        self.domain = domain
        self.tile, self.limit = tile, limit_bytes(max_gb, folder.parent)
        self.seconds = 0.0
        self.notes: dict[str, None] = {}
        self._scales = Scales(domain)

    def run(self) -> dict[str, Any]:
        probes = self._probe()
        probes = [probe for probe in probes if probe.empty <= MOST_EMPTY] or probes  # empty images are left out later, whatever they are
        kinds = Counter(probe.kind for probe in probes)
        self.kind = kinds.most_common(1)[0][0]
        alike = [probe for probe in probes if probe.kind.dims == self.kind.dims]
        self.shapes, self.spacings = [probe.shape for probe in alike], [probe.spacing for probe in alike]
        for probe in (probe for probe in probes if not differs(probe.row, probe.kind, self.kind, self.domain)):
            self._scales.note(probe.row, probe.kind.stored, probe.most)
        self._scales.require_one(self.kind.stored, self.kind.unit)
        while True:
            tile = auto_tile(self.shapes, self.spacings) if self.tile == "auto" else self.tile
            if isinstance(tile, tuple) and len(tile) != self.kind.dims:
                dims = self.kind.dims
                raise RecipeError(f"pool.tile: {by(tile)} is for {len(tile)} axes, these images have {dims}; give one number, or {dims}.")
            try:
                return self._write(*self._plan(tile))
            except _Changed as why:
                self.say.say(str(why))

    def _probe(self) -> list[_Read]:
        """Sizes and kinds of a few images spread over the rows."""
        chosen = at_even_steps(self.rows, PROBE)
        before = time.monotonic()
        found = list(in_order(self._look, chosen, self.workers, _bytes_read))
        self.seconds = (time.monotonic() - before) / len(chosen)
        good = [read for read in found if isinstance(read, _Read)]
        if not good:
            raise next(error for error in found if isinstance(error, DataError))
        return good

    def _look(self, row: Row) -> _Read | DataError:
        sample = read_sample(self.read, row)
        if isinstance(sample, DataError):
            return sample
        return _Read(row, kind_of(sample), tuple(sample.data.shape[1:]), largest(sample), sample.spacing, empty=sample.empty)

    def _plan(self, tile: Size | None) -> tuple[Cut, list[Row]]:
        """What is cut from which rows, so that the limit holds; said before the first image is read."""
        item = 4 if self.kind.physical else np.dtype(self.kind.dtype).itemsize
        sizes = [np.prod(Cut(tile).size(shape)) for shape in self.shapes]
        counts = [Cut(tile).count(shape) for shape in self.shapes]
        each = float(np.mean(sizes)) * len(self.kind.channels) * item
        most = max(1, int(self.limit / (each * len(self.rows))))
        rows = sample_rows(self.rows, int(self.limit / each), self.say)
        cut = Cut(tile, most if tile is not None and max(counts) > most else None)
        if cut.most is not None:
            self.say.say(
                f"pool.max_gb: {gigabytes(self.limit)} hold {cut.most} of up to {max(counts)} tiles an image; they are drawn at random."
            )
        entries = round(len(rows) * float(np.mean(np.minimum(counts, cut.most or max(counts)))))
        cells = "voxels" if self.kind.dims == VOLUME else "pixels"
        what = f"tiles of {by(tile)} {cells}" if tile is not None else "images, whole"
        about = f"{gigabytes(entries * each)}, about {max(1.0, self.seconds * len(rows)):.0f} s"
        self.say.say(
            f"Pool: {len(rows):,} images read once into {entries:,} {what}, {len(self.kind.channels)} channels; {about}; in {self.folder}."
        )
        return cut, rows

    def _write(self, cut: Cut, rows: list[Row]) -> dict[str, Any]:
        self.faults.skipped.clear()
        kept: list[str] = []
        empty: list[Row] = []
        whole = cut.tile is None and self.tile == "auto"
        with StoreWriter(self.folder) as store:
            results = in_order(lambda row: self._decode(row, cut), rows, self.workers, _bytes_read)
            for row, result in zip(rows, self.say.track(results, "reading images", len(rows)), strict=True):
                if isinstance(result, _Changed):
                    self.kind = replace(self.kind, physical=True)
                    raise result
                if isinstance(result, DataError):
                    self.faults.add(row.id, result)
                    continue
                if isinstance(result, _Empty):
                    empty.append(result.row)
                    continue
                if whole and result.shape != self.shapes[0]:
                    self.shapes.append(result.shape)
                    self.spacings.append(result.spacing)
                    raise _Changed(f"{row.id} is {by(result.shape)}, others {by(self.shapes[0])}: tiles of one size are cut from all.")
                assert result.facts is not None
                self._scales.note(result.row, result.kind.stored, result.most)
                store.append(result.facts, result.entries)
                kept.append(row.id)
            self._scales.require_one(self.kind.stored, self.kind.unit)
            for note in sorted(self.notes):
                self.say.say(note)
            if not kept and empty:
                raise DataError(all_empty(empty, self.domain))
            if not kept:
                raise DataError(f"No image could be read; the first: {self.faults.skipped[0][1]}")
            kind = self.kind
            stored = ((1.0,) * len(kind.channels), (0.0,) * len(kind.channels)) if kind.physical else (kind.scale, kind.offset)
            channels = [(name, *meaning) for name, meaning in zip(kind.channels, kind.meaning, strict=True)]
            meta = {"channels": channels, "unit": kind.unit, "scale": stored[0], "offset": stored[1], "tile": cut.tile, "ids": kept}
            store.finish({**meta, "skipped": self.faults.skipped, "empty": [row.id for row in empty]})
        if self.faults.skipped:
            self.say.say(f"{len(self.faults.skipped)} images could not be read and were skipped; the first: {self.faults.skipped[0][1]}")
        return intact(self.folder) or _unreadable(self.folder)

    def _decode(self, row: Row, cut: Cut) -> _Read | DataError | _Changed | _Empty:
        """Read, compare with the others, cut. Runs in a worker thread."""
        sample = read_sample(self.read, row)
        if isinstance(sample, DataError):
            return sample
        self.notes.update(dict.fromkeys(sample.notes))
        if sample.empty > MOST_EMPTY:
            return _Empty(row)
        kind = kind_of(sample)
        if fault := differs(row, kind, self.kind, self.domain):
            return DataError(fault)
        if not self.kind.physical and kind.stored != self.kind.stored:
            return _Changed(f"{row.id}: {kind.dtype} of another scale than the others; the pool holds float32 physical values instead.")
        stored = (sample.physical() if self.kind.physical else sample.data).numpy()
        measured = None if sample.measured is None else sample.measured.numpy()
        tiles = tuple(
            Tile(corner, np.ascontiguousarray(part), known)
            for corner, part, known in cut(stored, row.id, measured)
            if known is None or known.mean() >= 1 - MOST_EMPTY
        )
        known = facts(sample, stored, measured)
        return _Read(row, kind, tuple(sample.data.shape[1:]), known.most, sample.spacing, known, tiles) if tiles else _Empty(row)


def all_empty(rows: Sequence[Row], domain: str | None = None) -> str:
    """What to say where no image or window of these, which `domain` reads, holds a measurement in half of its pixels."""
    what = "windows" if rows[0].window else "images"
    return (
        f"There is no measurement in more than {MOST_EMPTY:.0%} of each of {len(rows):,} {what}, such as {rows[0].id}, so none is left; "
        f"give others, or set {key_for('gaps', domain)} where the files declare the wrong number."
    )


def some_empty(rows: Sequence[Row]) -> str:
    """What to tell of images or windows that a pool leaves out."""
    what = "window" if rows[0].window else "image"
    which = f"{len(rows):,} {what}s are left out, such as {rows[0].id}" if len(rows) > 1 else f"The {what} {rows[0].id} is left out"
    return f"{which}: more than {MOST_EMPTY:.0%} of it holds no measurement."


def at_even_steps(rows: Sequence[T] | np.ndarray, most: int) -> list[T]:
    """At most `most` of these at equal distances, the first and the last among them."""
    return [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]


def read_sample(read: Reader, row: Row) -> Sample | DataError:
    """The row's sample, or what is wrong with its file, in a sentence that names it."""
    try:
        sample = _read_again(read, row)
    except DataError as error:
        return error
    except (SystemError, OSError, ValueError, RuntimeError, SyntaxError, EOFError, KeyError, IndexError, TypeError) as error:
        return DataError(f"{row.where}: cannot be read ({type(error).__name__}: {error}); replace or remove it, or set data.on_error=skip.")
    if 0 in sample.data.shape:
        return DataError(f"{row.where}: holds no pixels (shape {tuple(sample.data.shape)}); remove it, or set data.on_error=skip.")
    return finite(sample.with_one_scale())


def read_in_order(read: Reader, rows: Iterable[Row]) -> Iterator[tuple[Row, Sample | DataError]]:
    """Each row with its image, or why that cannot be read; by several threads, as many images at a time as memory holds."""

    def size(pair: tuple[Row, Sample | DataError]) -> float:
        return float(pair[1].data.nbytes) if isinstance(pair[1], Sample) else 0.0

    return in_order(lambda row: (row, read_sample(read, row)), rows, size=size)


def _read_again(read: Reader, row: Row) -> Sample:
    """What the reader gives; asked again where Python itself stumbled.

    numpy parses the header of an array file as Python, which 3.11 gets wrong now and then when several threads do (CPython issue 106905).
    """
    for _ in range(TRIES - 1):
        try:
            return read(row)
        except SystemError:
            continue
    return read(row)


def kind_of(sample: Sample) -> Kind:
    """What a sample, which has one scale a channel, must share with the others."""
    dtype = str(sample.data.dtype).removeprefix("torch.")
    meaning = tuple((channel.role, channel.nm) for channel in map(Channel.of, sample.channels))
    scale, offset = (cast("tuple[float, ...]", tuple(numbers)) for numbers in (sample.scale, sample.offset))
    return Kind(tuple(map(str, sample.channels)), sample.unit, dtype, scale, offset, sample.data.ndim - 1, meaning)


def differs(row: Row, kind: Kind, others: Kind, domain: str | None = None) -> str | None:
    """Why an image, which `domain` reads, cannot share a pool with the others; None where it can."""
    out = "remove it, or set data.on_error=skip"
    if len(kind.channels) != len(others.channels):
        missing = [name for name in others.channels if name not in kind.channels]
        guess = f" ({', '.join(missing)} missing?)" if 0 < len(missing) < len(others.channels) else ""
        count = f"{len(kind.channels)} channels, others have {len(others.channels)}{guess}"
        return f"{row.called}: {count}. Name what the files hold with {key_for('channels', domain)}, {out}."
    if kind.channels != others.channels:
        seen = f"channels {', '.join(kind.channels)}; others have {', '.join(others.channels)}"
        return f"{row.called}: {seen}. Name them with {key_for('channels', domain)}, {out}."
    if kind.dims != others.dims:
        return f"{row.called}: {kind.dims} spatial axes, others have {others.dims}; {out}."
    if kind.unit != others.unit:
        return f"{row.called}: unit {kind.unit!r}, others {others.unit!r}; give {key_for('unit', domain)} if they are the same, {out}."
    if kind.meaning != others.meaning:
        apart = next(i for i, (one, other) in enumerate(zip(kind.meaning, others.meaning, strict=True)) if one != other)
        (role, nm), (other, other_nm) = kind.meaning[apart], others.meaning[apart]
        meant = f"{kind.channels[apart]} is {_meaning(role, nm)}, in others {_meaning(other, other_nm)}"
        return f"{row.called}: {meant}; the files show different things. Keep those of one kind, {out}."
    return None


def _meaning(role: str, nm: float | None) -> str:
    return f"{role or 'unknown'}" + (f" ({nm:g} nm)" if nm else "")


def _unreadable(folder: Path) -> dict[str, Any]:
    raise DataError(f"{folder}: the pool reads back differently from what was written; check the disk, or set pool.dir to another one.")
