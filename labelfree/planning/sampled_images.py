"""A look at a data set: a few images, spread evenly over the rows, decoded and measured. Dev and test rows are never opened."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelfree.data.depth import Bits, bits_of, bits_together, depth_in_words
from labelfree.data.measured_pixels import BLANK, blank_note, blank_share
from labelfree.data.overlaps import Ground
from labelfree.data.pool import MOST_EMPTY, Kind, all_empty, at_even_steps, differs, kind_of, read_sample
from labelfree.data.pool_index import largest
from labelfree.data.scales import Scales
from labelfree.data.threads import in_order
from labelfree.data.tiles import by
from labelfree.domain import Place, Row, Sample
from labelfree.errors import DataError
from labelfree.progress import Progress

LOOKS = 64  # images decoded
MOST_BANDS = 16  # whose ranges are listed
SAME_METRES = 0.01  # by which a map's metres may differ from those of the ground without a word
MOST_FAULTS = 0.1  # share of broken or differing images that a recipe may leave out


@dataclass(frozen=True)
class Look:
    """What was seen of one image. `low`, `high`: a channel, as stored. `empty`: share of pixels without a measurement, `blank`: of those
    with 0 in every channel. `most`: the largest value without sign, in physical units.
    """

    row: Row
    kind: Kind
    shape: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    bits: Bits | None
    spacing: tuple[float, ...] | None
    spacing_unit: str
    crs: str | None
    bounds: tuple[float, float, float, float] | None
    empty: float
    blank: float
    most: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """All that was seen of images that can share a pool.

    `kind`: that of most. `faults`: sentences on files that cannot be read or differ. `seconds`: for one image, read as a run does.
    """

    looks: tuple[Look, ...]
    kind: Kind
    faults: tuple[str, ...]
    seconds: float

    @property
    def count(self) -> int:
        """How many images were looked at."""
        return len(self.looks) + len(self.faults)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels of all images."""
        return self.kind.channels

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Spatial sizes, one an image."""
        return [look.shape for look in self.looks]

    @property
    def itemsize(self) -> int:
        """Bytes that a number takes in a pool: images of several types or scales are kept as float32."""
        return np.dtype(self.kind.dtype).itemsize if len({look.kind for look in self.looks}) == 1 else 4

    @property
    def places(self) -> dict[str, Place]:
        """Where the images lie, by row id; of those that have coordinates."""
        return {look.row.id: Place(look.crs, look.bounds) for look in self.looks if look.crs and look.bounds}

    def lines(self, places: Mapping[str, Place], domain: str) -> Iterator[str]:
        """What was seen, for a person to read. `places`: with what the domain knows of them."""
        yield f"of {self.count} image{'s' * (self.count != 1)} looked at, spread evenly over the rows:"
        yield f"  {len(self.channels)} channel{'s' * (len(self.channels) != 1)}: {', '.join(self.channels)}"
        for dtype, number in Counter(look.kind.dtype for look in self.looks).most_common():
            yield f"  {self._stored(dtype)}{f' ({number} images)' if number < len(self.looks) else ''}"
        if 1 < len(self.channels) <= MOST_BANDS:
            yield f"  range a channel: {', '.join(self._ranges())}"
        yield f"  {_sizes(self.shapes)}"
        if any(look.spacing or look.crs for look in self.looks):
            yield f"  {self._spacing(places)}"
        yield from (f"  {number} {fact}" for fact, number in self._oddities().items() if number)
        yield from (f"  {note}" for note in dict.fromkeys(note for look in self.looks for note in look.notes))
        if blank := [look.row.id for look in self.looks if look.blank >= BLANK]:
            yield f"  {blank_note(blank, domain)}"
        yield from (f"  {sentence}" for sentence in self.faults[:3])

    def _stored(self, dtype: str) -> str:
        mine = [look for look in self.looks if look.kind.dtype == dtype]
        low, high = min(min(look.low) for look in mine), max(max(look.high) for look in mine)
        bits = [look.bits for look in mine if look.bits is not None]
        depth = f"; {depth_in_words(bits_together(bits), 8 * np.dtype(dtype).itemsize)}" if bits else ""
        return f"stored as {dtype}, {low:,.6g} to {high:,.6g}{depth}; unit: {self.kind.unit}{_in_its_unit(mine)}"

    def _ranges(self) -> Iterator[str]:
        for index, name in enumerate(self.channels):
            yield f"{name} {min(look.low[index] for look in self.looks):,.6g} to {max(look.high[index] for look in self.looks):,.6g}"

    def _spacing(self, places: Mapping[str, Place]) -> str:
        sizes = {(look.spacing, look.spacing_unit) for look in self.looks if look.spacing}
        pixel_sizes = sorted({f"{' x '.join(f'{side:.4g}' for side in spacing)} {unit}".strip() for spacing, unit in sizes if spacing})
        pixel_sizes = [_some(pixel_sizes) + self._on_the_ground(places)] if pixel_sizes else []
        systems = sorted({look.crs for look in self.looks if look.crs})
        return "; ".join([f"a pixel is {size}" for size in pixel_sizes] + ["coordinates in " + _some(systems)] * bool(systems))

    def _on_the_ground(self, places: Mapping[str, Place]) -> str:
        """The median pixel in metres of the ground, where that is not what the coordinates say: they count degrees or feet, or a map is
        stretched."""
        placed = [(look.spacing, places[look.row.id]) for look in self.looks if look.spacing and look.row.id in places]
        ground = Ground.of([place for _, place in placed])
        if not placed or not ground.known.any():
            return ""
        across, up = (ground.size / np.stack([ground.boxes[:, 2] - ground.boxes[:, 0], ground.boxes[:, 3] - ground.boxes[:, 1]], axis=1)).T
        metres = np.stack([up, across], axis=1)  # of a unit of the coordinates, down and across
        if (np.abs(metres - 1) < SAME_METRES).all():
            return ""
        down, along = np.median((np.array([spacing[-2:] for spacing, _ in placed]) * metres)[ground.known], axis=0)
        return f", {down:.3g} x {along:.3g} metre on the ground"

    def _oddities(self) -> dict[str, int]:
        without = sum(look.crs is None for look in self.looks)
        return {
            "hold one value only": sum(look.low == look.high for look in self.looks),
            "have pixels without a measurement": sum(look.empty > 0 for look in self.looks),
            "are empty in more than half of their pixels, and left out": sum(look.empty > MOST_EMPTY for look in self.looks),
            "have no coordinates": without if without < len(self.looks) else 0,
            "cannot be read, or differ from the others:": len(self.faults),
        }


def open_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows that may be looked at before anything is scored."""
    return [row for row in rows if row.split not in ("dev", "test")]


@dataclass(frozen=True)
class Looks:
    """What came of each image that was looked at, not yet judged as one set. `all_rows`: whether no other row is left.

    `seconds`: for one image.
    """

    outcomes: tuple[Look | DataError, ...]
    all_rows: bool
    seconds: float

    @property
    def shown(self) -> list[Look]:
        """Images with enough pixels to be shown; all that can be read where none has."""
        good = [look for look in self.outcomes if isinstance(look, Look)]
        return [look for look in good if look.empty <= MOST_EMPTY] or good

    @property
    def dims(self) -> int:
        """Spatial axes of most images; 0 where none can be read."""
        return self.kind.dims if self.shown else 0

    @property
    def kind(self) -> Kind:
        """That of most images."""
        return Counter(look.kind for look in self.shown).most_common(1)[0][0]

    @property
    def channels(self) -> dict[tuple[str, ...], int]:
        """What images hold, that of most first, and how many hold it."""
        return dict(Counter(look.kind.channels for look in self.shown).most_common())

    def judged(self) -> Seen:
        """As one set. Raises `DataError` where no image can be read, or too many could not share a pool."""
        outcomes = self.outcomes
        if not self.shown:
            raise DataError(f"None of {len(outcomes)} images looked at can be read; the first: {next(map(str, outcomes))}")
        if self.all_rows and all(look.empty > MOST_EMPTY for look in self.shown):
            raise DataError(all_empty([look.row for look in self.shown]))
        kind = self.kind
        # A run leaves empty images out before it compares them.
        outcomes = tuple(
            look for look in outcomes if not (isinstance(look, Look) and look.empty > MOST_EMPTY and differs(look.row, look.kind, kind))
        )
        faults = [_fault(look, kind) for look in outcomes]
        seen = Seen(
            looks=tuple(look for look, fault in zip(outcomes, faults, strict=True) if isinstance(look, Look) and fault is None),
            kind=kind,
            faults=tuple(fault for fault in faults if fault is not None),
            seconds=self.seconds,
        )
        if len(seen.faults) > MOST_FAULTS * seen.count:
            raise DataError(
                f"{len(seen.faults)} of {seen.count} images looked at cannot be read or differ from the others, too many to leave out; "
                f"the first: {seen.faults[0]}"
            )
        scales = Scales()
        for look in seen.looks:
            if look.empty <= MOST_EMPTY:
                scales.note(look.row, look.kind.stored, look.most)
        scales.require_one(kind.stored, kind.unit)
        return seen


def look_at(rows: Sequence[Row], read: Callable[[Row], Sample], say: Progress) -> Looks:
    """Decode at most LOOKS of these rows."""
    chosen = at_even_steps(rows, LOOKS)
    before = time.monotonic()
    outcomes = list(say.track(in_order(lambda row: _look(row, read), chosen), "looking at images", len(chosen)))
    seconds = (time.monotonic() - before) / len(chosen)
    return Looks(tuple(outcomes), len(chosen) == len(rows), seconds)


def _fault(look: Look | DataError, kind: Kind) -> str | None:
    return str(look) if isinstance(look, DataError) else differs(look.row, look.kind, kind)


def _look(row: Row, read: Callable[[Row], Sample]) -> Look | DataError:
    sample = read_sample(read, row)
    if isinstance(sample, DataError):
        return sample
    pixels = sample.data.numpy()
    flat = pixels.reshape(len(pixels), -1)
    if sample.measured is not None and sample.measured.any():
        flat = flat[:, sample.measured.numpy().reshape(-1)]
    return Look(
        row=row,
        kind=kind_of(sample),
        shape=tuple(pixels.shape[1:]),
        low=tuple(flat.min(axis=1).tolist()),
        high=tuple(flat.max(axis=1).tolist()),
        bits=bits_of(pixels),
        spacing=sample.spacing,
        spacing_unit=sample.tags.get("spacing_unit", ""),
        crs=sample.crs,
        bounds=sample.bounds,
        empty=sample.empty,
        blank=blank_share(sample),
        most=largest(sample),
        notes=sample.notes,
    )


def _in_its_unit(looks: Sequence[Look]) -> str:
    """From which number to which images go in their unit, where these are not the stored ones."""
    if all(set(look.kind.scale) == {1.0} and set(look.kind.offset) == {0.0} for look in looks):
        return ""
    ends = [
        stored * scale + offset
        for look in looks
        for low, high, scale, offset in zip(look.low, look.high, look.kind.scale, look.kind.offset, strict=True)
        for stored in (low, high)
    ]
    return f", {min(ends):,.6g} to {max(ends):,.6g}"


def _sizes(shapes: Sequence[tuple[int, ...]]) -> str:
    by_area = sorted(set(shapes), key=lambda shape: (int(np.prod(shape)), shape))
    small, large = map(by, (by_area[0], by_area[-1]))
    return f"{small} pixels" if len(by_area) == 1 else f"{small} to {large} pixels, {len(by_area)} sizes"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
