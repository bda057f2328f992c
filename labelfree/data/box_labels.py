"""Which boxes labelled images hold: drawn ones, and those around outlines and numbered objects, decided for a whole data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from labelfree.data.boxes import ANY, Boxes
from labelfree.data.drawn_images import frame_of, labels_digest, outcomes, placed_images
from labelfree.data.label_formats.annotated import AnnotatedImage, AnnotatedObject
from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.data.label_formats.mask_numbers import Instances
from labelfree.data.label_formats.regions import Corners
from labelfree.data.pixel_labels import PixelLabels, pixel_labels
from labelfree.data.threads import in_order
from labelfree.domain import IGNORE, Domain, Row, Sample
from labelfree.errors import DataError

FORMAT = 1  # raise it when boxes come out otherwise for the same labels


@dataclass(frozen=True)
class BoxLabels:
    """Which boxes labelled images hold, decided for a whole data set.

    `classes`: names of the objects, sorted; there is no background. `objects`: row id -> class -> number of objects, of each row that was
    looked at: nothing of a negative. `digest`: identity of all of it. `notes`: how labels were read. `faults`: what is wrong, one sentence
    each; such rows are left out.
    """

    classes: tuple[str, ...]
    objects: Mapping[str, Mapping[str, int]]
    digest: str
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    _boxes: Mapping[str, Boxes] = field(default_factory=dict, repr=False, compare=False)

    def boxes(self, row: Row) -> Boxes:
        """What is drawn on what is read of a row, in its pixels; labels are positions in `classes`. Raises `DataError` without labels."""
        if row.id not in self._boxes:
            raise DataError(f"{row.called}: is not listed among the labels, and has no mask that tells objects apart; it has no boxes.")
        return self._boxes[row.id]


@dataclass(frozen=True)
class _Named:
    """Boxes of an image by names, before it is known which classes there are. `ignored`: of crowds by their class, "" of any."""

    objects: tuple[tuple[str, tuple[float, ...]], ...]
    ignored: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def boxes(self, numbers: Mapping[str, int], absent: Sequence[str]) -> Boxes:
        """By the numbers of classes; an object of a class that is absent is ignored, for all of its kind are."""
        kept = [(name, box) for name, box in self.objects if name not in absent]
        aside = [*self.ignored, *(("", box) for name, box in self.objects if name in absent)]
        label = [*(numbers[name] for name, _ in kept), *(numbers.get(name, ANY) for name, _ in aside)]
        return Boxes.of([box for _, box in (*kept, *aside)], label, [False] * len(kept) + [True] * len(aside))


def drawn_on(row: Row) -> bool:
    """Whether a file of labels says which objects a row's image holds: some, or none."""
    return row.listed is not None and (row.listed.negative or any(each.kind != "line" for each in row.listed.drawn))


def box_labels(
    rows: Sequence[Row],
    domain: Domain,
    read: Callable[[Row], Sample],
    classes: Mapping[str, str] = {},
    absent: Sequence[str] = (),
    instances: Instances = "auto",
) -> BoxLabels:
    """Read the boxes of all rows that have any, or on which somebody looked and saw nothing.

    What is drawn on a row goes before its mask, of which the boxes are those around its objects, where its numbers tell these apart.
    `classes`: what the owner calls numbers of masks. `absent`: classes that nobody looked for: these are left out, what is drawn of them
    is ignored, and nothing is learnt or scored of them. `instances`: whether numbers of masks tell objects apart.
    Raises `DataError` where the masks leave open what their numbers mean, and where there are masks of classes alone.
    """
    listed = [replace(row, mask=None) for row in rows if drawn_on(row)]
    masked = [row for row in rows if row.mask is not None and not drawn_on(row)]
    images, placing, unread = placed_images(listed, domain, read)
    named = {identity: _drawn(image) for identity, image in images.items() if not _unusable(image)}
    pixels = pixel_labels(masked, domain, read, classes, instances=instances)
    told = pixels.apart and bool(masked)
    if told:
        numbered = [row for row in masked if row.id in pixels.pixels]
        around, broken = outcomes(numbered, in_order(lambda row: _around(row, pixels, domain, read), numbered))
        named |= around
        unread += broken
    elif masked and not named:
        raise DataError(
            f"{masked[0].mask}: masks name classes and do not tell objects apart, so no box is known. Where their numbers count objects, "
            "say data.instances=true; else list boxes (docs/labels.md)."
        )

    there = {name for image in named.values() for name, _ in image.objects}
    names = tuple(sorted(there - set(absent)))
    boxes = {row.id: named[row.id].boxes({name: at for at, name in enumerate(names)}, absent) for row in rows if row.id in named}
    objects = {identity: Counter(names[at] for at in of.objects.label) for identity, of in boxes.items()}
    used = [row for row in (*listed, *masked) if row.id in boxes]
    faults = [*unread, *placing.faults, *(pixels.faults if masked else ())]
    faults += [f"data.absent: no class is called {name!r} ({', '.join(sorted(there))})." for name in absent if name not in there]
    notes = (*pixels.notes, *placing.notes(), *_notes(masked, told, images, set(absent) & there))
    return BoxLabels(
        names, objects, labels_digest(used, ("boxes", FORMAT, names, sorted(absent))), notes, tuple(dict.fromkeys(faults)), boxes
    )


def _notes(masked: Sequence[Row], told: bool, images: Mapping[str, AnnotatedImage], left_out: set[str]) -> list[str]:
    """Sentences on what was left out, and on what nobody knows."""
    notes = [f"data.absent: {name} is left out; where it is drawn, boxes are neither right nor wrong." for name in sorted(left_out)]
    if masked and not told:
        notes.append(f"{len(masked):,} masks name classes and do not tell objects apart; their images have no boxes.")
    if unknown := sum(image.outside != "background" for image in images.values()):
        notes.append(
            f"On {unknown:,} images nobody knows what lies outside of what is drawn: no box there is a false alarm, and nothing there "
            "teaches what is no object."
        )
    return notes


def _unusable(image: AnnotatedImage) -> bool:
    """Whether nobody knows what the image holds: no object on it is known, and what lies around it, or what was drawn, is not either."""
    unknown = image.outside != "background" or any(region.box is None for region in image.ignored)
    return not _objects(image) and (bool(image.unused) or unknown)


def _objects(image: AnnotatedImage) -> list[AnnotatedObject]:
    """Those to be found: what is called background says no more than that nothing is drawn there."""
    return [each for each in image.objects if each.name != BACKGROUND]


def _drawn(image: AnnotatedImage) -> _Named:
    """Objects of a listed image, and regions that are ignored."""
    assert image.size is not None
    height, width = image.size
    whole: Corners = (0.0, 0.0, float(width), float(height))
    crowds = {each.region.content for each in image.crowded}
    aside = [region.box or whole for region in (*image.ignored, *image.unknown) if region.content not in crowds]
    aside += [] if image.outside == "background" else [whole]
    return _Named(
        tuple((each.name, each.box) for each in _objects(image)),
        (*((each.name, each.box) for each in image.crowded), *(("", box) for box in aside)),
    )


def _around(row: Row, pixels: PixelLabels, domain: Domain, read: Callable[[Row], Sample]) -> _Named | DataError:
    """The boxes around the objects of a mask, and around patches of which nobody knows what they are."""
    from scipy import ndimage

    try:
        objects = pixels.instances(row, frame_of(row, domain, read))
    except DataError as error:
        return error
    assert objects is not None
    name = next((name for name in pixels.classes if name != BACKGROUND), "")
    numbers = np.searchsorted(np.unique(objects[objects > 0]), objects, side="right")
    patches = ndimage.label(objects == IGNORE)[0]
    return _Named(
        tuple((name, _corners(box)) for box in ndimage.find_objects(numbers)),
        tuple(("", _corners(box)) for box in ndimage.find_objects(patches)),
    )


def _corners(box: tuple[slice, ...]) -> tuple[float, ...]:
    """The least corner, then the largest, x first."""
    return (*(float(side.start) for side in box[::-1]), *(float(side.stop) for side in box[::-1]))
