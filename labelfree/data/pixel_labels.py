"""What the pixels of labelled images show: masks, drawn objects and polygons become numbers of classes, decided for a whole data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from labelfree.data.drawn_images import frame_of, labels_digest, outcomes, placed, placed_images, placing_on, plane
from labelfree.data.label_formats.annotated import AnnotatedImage
from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.data.label_formats.mask_numbers import Instances, MaskNumbers, mask_numbers
from labelfree.data.label_formats.rendering import render
from labelfree.data.masks import MaskCounts, mapped, mask_on_image
from labelfree.data.threads import in_order
from labelfree.domain import IGNORE, Domain, Row, Sample
from labelfree.errors import DataError

FORMAT = 1  # raise it when masks come out otherwise for the same labels


@dataclass(frozen=True)
class PixelLabels:
    """What the pixels of labelled images show, decided for a whole data set.

    `classes`: names in the order of the numbers in masks. `BACKGROUND` is the first where anything is: 0 of masks, what lies outside of
    drawn objects, and objects or numbers called so; where nothing is, it is absent. `pixels`: row id -> class -> number of pixels that show
    it, of each row with any pixel that is known. `digest`: identity of all of it. `notes`: how labels were read. `faults`: what is wrong,
    one sentence each; such rows are left out.
    """

    classes: tuple[str, ...]
    pixels: Mapping[str, Mapping[str, int]]
    digest: str
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    _reading: _Reading | None = field(default=None, repr=False, compare=False)

    def mask(self, row: Row, sample: Sample) -> np.ndarray:
        """(*spatial) int16: the position of each pixel's class in `classes`, `IGNORE` where nobody knows.

        Raises `DataError` naming the mask that is missing, broken, or does not fit.
        """
        return self._read.classes(row, sample, self._numbers)

    def instances(self, row: Row, sample: Sample) -> np.ndarray | None:
        """(*spatial) int32: 0 for no object, from 1 on which of them a pixel belongs to, `IGNORE`; None where they are not told apart.

        Raises `DataError` as `mask` does.
        """
        return self._read.objects(row, sample, self._numbers)

    @property
    def apart(self) -> bool:
        """Whether objects are told apart in every mask."""
        return self._read.apart

    @property
    def _read(self) -> _Reading:
        assert self._reading is not None
        return self._reading

    @property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}


def has_area(row: Row) -> bool:
    """Whether pixels are labelled, as by a mask or an outline: of a box nobody knows which are its object's."""
    return row.mask is not None or (row.listed is not None and any(each.region is not None for each in row.listed.drawn))


def pixel_labels(
    rows: Sequence[Row],
    domain: Domain,
    read: Callable[[Row], Sample],
    classes: Mapping[str, str] = {},
    absent: Sequence[str] = (),
    instances: Instances = "auto",
) -> PixelLabels:
    """Read the masks, and draw the objects, of all rows that have any.

    A mask says all of its image; else what is drawn with an area does, or that an image is listed with nothing on it where others of the
    set have areas. Boxes alone say of no pixel what it shows. `classes`: what the owner calls numbers of masks. `absent`: classes that
    nobody looked for: then no pixel is background, for each may be one of them; what is drawn of other classes stays. `instances`: whether
    numbers of masks tell objects apart.
    Raises `DataError` where the masks leave open what their numbers mean.
    """
    masked = [row for row in rows if row.mask is not None]
    listed = _with_areas([row for row in rows if row.mask is None and row.listed is not None])
    counts, broken = outcomes(masked, in_order(lambda row: _counted(row, domain, read), masked))
    numbers = mask_numbers(_by_file(masked, counts), classes, instances)
    unnamed = {row.id: numbers.faults[str(row.mask)] for row in masked if row.id in counts and str(row.mask) in numbers.faults}
    images, placing, unread = placed_images(listed, domain, read)

    drawn = {each.name for image in images.values() for each in image.objects if not each.boxed}
    names = list(dict.fromkeys([BACKGROUND, *numbers.called, *sorted(drawn)]))
    missing = [name for name in absent if name not in names]
    reading = _Reading(domain, read, numbers, known=set(absent) <= set(missing), apart=numbers.instances or not masked)
    pixels = {identity: reading.count(mask.numbers, names) for identity, mask in counts.items() if identity not in unnamed}
    places = {name: place for place, name in enumerate(names)}
    for identity, shown in zip(images, in_order(lambda image: reading.draw(image, places)[0], images.values()), strict=True):
        pixels[identity] = _named(Counter(dict(enumerate(np.bincount(shown[shown != IGNORE], minlength=1).tolist()))), names)
    pixels = {row.id: pixels[row.id] for row in rows if pixels.get(row.id)}

    there = {name for of in pixels.values() for name in of}
    digest = labels_digest([row for row in rows if row.id in pixels], (FORMAT, (names, numbers.meaning, sorted(absent))))
    faults = [*broken, *unnamed.values(), *unread, *placing.faults]
    faults += [f"data.absent: no class is called {name!r} ({', '.join(names[1:])})." for name in missing]
    notes = (*numbers.notes, *placing.notes())
    return PixelLabels(tuple(name for name in names if name in there), pixels, digest, notes, tuple(dict.fromkeys(faults)), reading)


def _by_file(masked: Sequence[Row], counts: Mapping[str, MaskCounts]) -> dict[str, MaskCounts]:
    """The numbers of each mask, of which several rows may be windows."""
    files = dict[str, MaskCounts]()
    for row in masked:
        if row.id in counts:
            file, mine = str(row.mask), counts[row.id]
            files[file] = files[file] + mine if file in files else mine
    return files


@dataclass(frozen=True)
class _Reading:
    """How one row is read. `known`: whether what nothing is drawn on is background, as somebody looked for every class.

    `apart`: whether objects are told apart in every mask.
    """

    domain: Domain
    read: Callable[[Row], Sample]
    numbers: MaskNumbers
    known: bool
    apart: bool

    def classes(self, row: Row, sample: Sample, places: Mapping[str, int]) -> np.ndarray:
        """(*spatial) int16 by the places of classes."""
        if row.mask is None:
            return self._drawn(row, sample, places)[0]
        of = partial(self._place, places)
        return mapped(mask_on_image(row, sample, self.domain, self.read), of).astype(np.int16)

    def objects(self, row: Row, sample: Sample, places: Mapping[str, int]) -> np.ndarray | None:
        """(*spatial) int32, None of masks whose numbers name classes."""
        if row.mask is None:
            return self._drawn(row, sample, places)[1]
        if not self.numbers.instances:
            return None
        marked = mask_on_image(row, sample, self.domain, self.read)
        return mapped(marked, lambda number: IGNORE if self._name(number) is None else number)

    def count(self, numbers: Mapping[int, int], names: Sequence[str]) -> dict[str, int]:
        """How many pixels of a mask show each class."""
        counted = Counter[int]()
        for number, pixels in numbers.items():
            if (name := self._name(number)) is not None:
                counted[names.index(name)] += pixels
        return _named(counted, names)

    def draw(self, image: AnnotatedImage, places: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """Classes and objects of an image's pixels."""
        assert image.size is not None
        return render(image, image.size, places, places.get(BACKGROUND, IGNORE) if self.known else IGNORE)

    def _drawn(self, row: Row, sample: Sample, places: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
        if row.listed is None:
            raise DataError(f"{row.called}: has no mask and nothing drawn on it; it has no labels of pixels.")
        return self.draw(placed(placing_on(self.domain), row, plane(row, sample)), places)

    def _name(self, number: int) -> str | None:
        """The class of a mask's number; None where nobody knows."""
        name = self.numbers.name(number)
        return None if name == BACKGROUND and not self.known else name

    def _place(self, places: Mapping[str, int], number: int) -> int:
        """The place of a number's class."""
        name = self._name(number)
        return IGNORE if name is None else places.get(name, IGNORE)


def _with_areas(listed: Sequence[Row]) -> list[Row]:
    """Those on which something is drawn with an area, and where there are any those with nothing on them."""
    areas = {row.id for row in listed if has_area(row)}
    return [row for row in listed if row.id in areas or (areas and row.listed is not None and row.listed.negative)]


def _counted(row: Row, domain: Domain, read: Callable[[Row], Sample]) -> MaskCounts | DataError:
    """The numbers of a mask on its image, or what is wrong with either."""
    try:
        return MaskCounts.of(mask_on_image(row, frame_of(row, domain, read), domain, read))
    except DataError as error:
        return error


def _named(counted: Mapping[int, int], names: Sequence[str]) -> dict[str, int]:
    return {names[place]: pixels for place, pixels in sorted(counted.items()) if pixels}
