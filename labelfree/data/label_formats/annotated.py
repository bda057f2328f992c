"""Images with what people drew on them, in the pixels of the image as it is read; everything that cannot be used is named."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from labelfree.data.label_formats.frames import BACK, Turned, orientation, upright_size
from labelfree.data.label_formats.listed import IGNORED, Drawn, ListedImage, Listing, Outside
from labelfree.data.label_formats.regions import Corners, Everything, Outline, Region, Runs, Seen, rectangle, union
from labelfree.samples import Window

State = Literal["objects", "negative", "unlabelled"]
BORDER = 1.0  # pixels beyond an image's edge that are cut off without a word: rounding, and counting from 1
FARTHEST = 1_000_000  # pixels from a corner to the origin


@dataclass(frozen=True)
class AnnotatedObject:
    """One object. `box`: (x0, y0, x1, y1) in pixels from the outer edge of the image's first. `region`: what is drawn, a box if no more."""

    name: str
    box: Corners
    region: Region
    boxed: bool = False  # only a box was drawn

    def mask(self, height: int, width: int) -> np.ndarray:
        """(height, width) bool."""
        return self.region.mask(height, width)


@dataclass(frozen=True)
class AnnotatedImage:
    """An image and what is known of it. `size`: (height, width), None where nothing was drawn on it.

    `ignored`: regions that are neither object nor background: crowds, classes called `ignore`, and all of an image on which only what
    cannot be used was drawn. `labels`: classes of the whole image. `lines`: drawings that enclose nothing. `unused`: sentences on faulty
    objects. `areas`: of a mask, all that it marks of each class, in which nobody counted objects. `outside`: what is neither drawn nor
    ignored: background, or nobody knows. `unknown`: regions of which nobody says what they are, but for the objects above them.
    `crowded`: crowds by their class, the regions of which are among those `ignored`.
    """

    id: str
    path: Path
    state: State = "unlabelled"
    size: tuple[int, int] | None = None
    objects: tuple[AnnotatedObject, ...] = ()
    ignored: tuple[Region, ...] = ()
    crowds: int = 0
    lines: int = 0
    labels: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    split: str = ""
    areas: tuple[AnnotatedObject, ...] = ()
    outside: Outside = "background"
    unknown: tuple[Region, ...] = ()
    crowded: tuple[AnnotatedObject, ...] = ()

    def pixels(self) -> dict[str, int]:
        """How many pixels each class has."""
        regions = defaultdict[str, list[Region]](list)
        for each in (*self.objects, *self.areas):
            regions[each.name].append(each.region)
        return {name: int(union(of, *self._grid).sum()) for name, of in regions.items()}

    def ignored_mask(self) -> np.ndarray:
        """(height, width) bool: regions that are neither learnt nor scored."""
        known = [each.region for each in (*self.objects, *self.areas)] if self.unknown else []
        return union(self.ignored, *self._grid) | (union(self.unknown, *self._grid) & ~union(known, *self._grid))

    def seen(self, window: Window) -> AnnotatedImage:
        """What a window of it shows, in the window's pixels."""
        height, width = window.height, window.width
        objects, areas, crowded = (
            tuple(seen for each in of if (seen := _seen(each, window)) is not None) for of in (self.objects, self.areas, self.crowded)
        )
        ignored, unknown = _shown(self.ignored, window), _shown(self.unknown, window)
        nothing: State = "negative" if self.outside == "background" else "unlabelled"
        state: State = "objects" if objects or areas or ignored or unknown else nothing
        return replace(
            self, state=state, size=(height, width), objects=objects, areas=areas, ignored=ignored, unknown=unknown, crowded=crowded
        )

    @property
    def _grid(self) -> tuple[int, int]:
        return self.size if self.size is not None else (0, 0)


def _seen(each: AnnotatedObject, window: Window) -> AnnotatedObject | None:
    """An object as a window shows it; None where it does not."""
    drawn = each.region.box or each.box  # what a file says of both may differ
    box = _cut(each.box, window) or _cut(drawn, window)
    return None if box is None or _cut(drawn, window) is None else replace(each, box=box, region=Seen(each.region, window.top, window.left))


def _shown(regions: Iterable[Region], window: Window) -> tuple[Region, ...]:
    """What a window shows of regions."""
    return tuple(
        region if isinstance(region, Everything) else Seen(region, window.top, window.left)
        for region in regions
        if region.box is None or _cut(region.box, window) is not None
    )


def _cut(box: Corners, window: Window) -> Corners | None:
    """A box in a window's pixels, cut off at its edges; None where it lies outside."""
    x0, x1 = (min(max(x - window.left, 0.0), float(window.width)) for x in box[::2])
    y0, y1 = (min(max(y - window.top, 0.0), float(window.height)) for y in box[1::2])
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


@dataclass(frozen=True)
class Annotations:
    """All images under a root, annotated or not. `form`: the format of the labels in words. `ids`: numbers of classes in their file.

    `absent`: classes that nobody looked for, whose absence says nothing. `faults`: what is wrong, one sentence each; `notes`: how labels
    were read.
    """

    images: dict[str, AnnotatedImage]
    classes: tuple[str, ...] = ()
    ids: Mapping[str, int] = field(default_factory=dict)
    form: str = ""
    absent: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> Counter[str]:
        """Objects a class, those with none too."""
        counted = Counter(dict.fromkeys(self.classes, 0))
        counted.update(each.name for image in self.images.values() for each in image.objects)
        return counted

    @property
    def states(self) -> Counter[State]:
        """Images a state."""
        return Counter(image.state for image in self.images.values())


def renamed(listing: Listing, classes: Mapping[str, str]) -> Listing:
    """A listing with other names for its classes, or "ignore" for what is neither learnt nor scored."""
    images = [called(image, classes) for image in listing.images]
    known = {*listing.classes, *(name for image in listing.images for name in (*image.labels, *(drawn.name for drawn in image.drawn)))}
    there = ", ".join(sorted(known)[:5])
    unknown = [name for name in classes if name not in known]
    faults = [f"data.classes: no object is of class {name!r} (there is {there}); correct the name." for name in unknown]
    ids = {classes.get(name, name): number for name, number in listing.ids.items()}
    left = tuple(sorted({classes.get(name, name) for name in listing.classes} - {IGNORED}))
    named = {name: ids[name] for name in ids if name != IGNORED}
    return replace(listing, images=images, ids=named, classes=left, faults=[*listing.faults, *faults])


def called(image: ListedImage, classes: Mapping[str, str]) -> ListedImage:
    """An image with other names for the classes of what is drawn on it, and for its own."""
    drawn = [replace(each, name=classes.get(each.name, each.name)) for each in image.drawn]
    return replace(image, drawn=drawn, labels=tuple(classes.get(name, name) for name in image.labels))


class Placing:
    """Brings what is drawn onto the images' own pixels, and keeps what there is to say of it.

    `upright`: whether images are read turned as their EXIF says, and not as their pixels are stored.
    """

    def __init__(self, upright: bool = False) -> None:
        self.upright = upright
        self.faults: list[str] = []
        self._cut, self._lines, self._undecided = list[str](), list[str](), list[str]()

    def image(
        self, identity: str, path: Path, listed: ListedImage, size_of: Callable[[Path], tuple[int, int]], window: Window | None = None
    ) -> AnnotatedImage:
        """An image that the labels list, or a `window` of a scene, on all of which they are drawn; `size_of`: of what is read of it."""
        if window is not None:
            end = window.top + window.height, window.left + window.width
            scene = listed.size[::-1] if listed.size is not None else end
            whole = self.image(identity, path, listed, lambda path: (max(scene[0], end[0]), max(scene[1], end[1])))
            return whole.seen(window) if whole.state == "objects" else whole
        if listed.negative:
            return AnnotatedImage(identity, path, "negative", split=listed.split)
        height, width = size_of(path)
        onto = self._frame(identity, path, listed, width, height)
        if onto is None:
            said = (self.faults[-1],)
            return AnnotatedImage(
                identity, path, "objects", (height, width), ignored=(Everything(),), unused=said, labels=listed.labels, split=listed.split
            )
        objects, ignored, unknown, crowded = [], list[Region](), list[Region](), list[AnnotatedObject]()
        lines, unused = 0, list(listed.faulty)
        for drawn in listed.drawn:
            if drawn.kind == "line":
                lines += 1
                self._lines.append(f"{identity}, {drawn.where}")
                continue
            try:
                placed = self._object(drawn, listed, onto, identity)
            except ValueError as error:
                unused.append(f"{drawn.where} {error}")
                continue
            if drawn.kind == "crowd":
                crowded.append(placed)
            if drawn.kind == "unknown":
                unknown.append(placed.region)
            elif drawn.kind == "crowd" or placed.name == IGNORED:
                ignored.append(placed.region)
            else:
                objects.append(placed)
        self.faults += [f"{listed.where}: {sentence}; correct or remove what is faulty, it is left out." for sentence in unused]
        if not objects and (unused or lines or listed.labels):
            ignored.append(Everything())  # something was drawn or said that no object shows: nobody knows what the image holds
        return AnnotatedImage(
            identity, path, "objects", (height, width), tuple(objects), tuple(ignored), len(crowded), lines, listed.labels, tuple(unused),
            listed.split, outside=listed.outside, unknown=tuple(unknown), crowded=tuple(crowded),
        )  # fmt: skip

    def _frame(self, identity: str, path: Path, listed: ListedImage, width: int, height: int) -> Turned | None:
        """How to come from the picture that was drawn on to the one that is read; None where they are not the same picture."""
        turn = orientation(path)
        other = upright_size((width, height), turn)  # of the picture turned the other way than it is read
        if listed.size in (None, (width, height), other):
            if turn > 1 and (listed.size is None or other == (width, height)):
                self._undecided.append(identity)
            if self.upright:  # as drawings are where nothing tells
                return Turned(BACK.get(turn, turn) if listed.size == other != (width, height) else 1, width, height)
            return Turned(1 if listed.size == (width, height) != other else turn, width, height)
        across, down = listed.size
        self.faults.append(
            f"{listed.where}: is listed with {across} x {down} pixels, {identity} has {width} x {height}; bring the picture that was "
            "drawn on, or export its labels again."
        )
        return None

    def _object(self, drawn: Drawn, listed: ListedImage, onto: Turned, identity: str) -> AnnotatedObject:
        """An object in the picture that is read, cut off at its border. Raises `ValueError` with the end of a sentence."""
        if drawn.box is None:
            raise ValueError("holds no pixel")
        box, region = drawn.box, drawn.region
        width, height = upright_size((onto.width, onto.height), onto.turn)
        if box[2] < box[0] or box[3] < box[1]:
            raise ValueError("has its corners swapped (or a negative size)")
        if box[2] == box[0] or box[3] == box[1]:
            raise ValueError("has no area")
        if listed.fractions:
            box = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
            region = region.placed(lambda points: points * (width, height)) if isinstance(region, Outline) else region
        if max(map(abs, box)) > FARTHEST:
            raise ValueError(f"has a corner more than {FARTHEST:,} pixels away")
        if box[2] <= 0 or box[3] <= 0 or box[0] >= width or box[1] >= height:
            raise ValueError("lies wholly outside its image")
        if isinstance(region, Runs) and (region.height, region.width) != (height, width):
            raise ValueError(f"has run lengths of another picture, of {region.width} x {region.height} pixels")
        if isinstance(region, Outline):
            if region.straight:
                raise ValueError("has no area")
            region = region.cut(width, height)
        inside = (max(0.0, box[0]), max(0.0, box[1]), min(float(width), box[2]), min(float(height), box[3]))
        if max(abs(cut - whole) for cut, whole in zip(inside, box, strict=True)) > BORDER:
            self._cut.append(f"{identity}, {drawn.where}")
        boxed = region is None
        drawn_region = rectangle(*inside) if region is None else region
        if np.float32(inside[0]) >= np.float32(inside[2]) or np.float32(inside[1]) >= np.float32(inside[3]):
            raise ValueError("has no area inside its image")
        if onto.turn != 1:
            inside, drawn_region = onto.box(inside), onto.region(drawn_region)
        return AnnotatedObject(drawn.name, inside, drawn_region, boxed)

    def notes(self) -> list[str]:
        """Sentences on what was cut off, on lines, and on pictures that may have been drawn on either way."""
        notes = []
        if self._cut:
            reach = "object reaches beyond its image and is" if len(self._cut) == 1 else "objects reach beyond their images and are"
            notes.append(f"{len(self._cut):,} {reach} cut off at the border ({_few(self._cut)}).")
        if self._lines:
            enclose = "line or point encloses nothing and is" if len(self._lines) == 1 else "lines or points enclose nothing and are"
            notes.append(f"{len(self._lines):,} {enclose} not used ({_few(self._lines)}).")
        if self._undecided:
            bear = "picture bears" if len(self._undecided) == 1 else "pictures bear"
            notes.append(
                f"{len(self._undecided):,} {bear} an EXIF rotation, and no listed size tells which way up it was drawn on; taken as "
                f"upright, as tools show it ({_few(self._undecided)})."
            )
        return notes


def _few(names: Sequence[str]) -> str:
    return "; ".join(names[:3]) + ("; …" if len(names) > 3 else "")
