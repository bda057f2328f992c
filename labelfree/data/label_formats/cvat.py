"""CVAT's XML: for images (boxes, polygons, ellipses, brush masks, tags, polylines) and for video (tracks of them, frame by frame)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.numbers import finite, size_of
from labelfree.data.label_formats.regions import MOST_PIXELS, Outline, Region, Runs, ellipse, rectangle, turned
from labelfree.errors import DataError

MOST_BYTES = 2**28  # one file holds a whole project
MOST_FRAMES = 2**22  # a day of film
STEP = re.compile(r"step\s*=\s*([1-9][0-9]{0,6})")  # of a film of which every nth frame was taken
LINES = {"polyline", "points", "skeleton", "cuboid"}  # what encloses nothing


def is_cvat(root: Element) -> bool:
    """Whether an XML file is CVAT's."""
    return root.tag == "annotations"


def read_cvat(file: Path, root: Element) -> Listing:
    """The images of one file, with what is drawn on them; of a video its frames, which bear numbers and no names."""
    images = {node.get("name", ""): _image(file, node) for node in root.iter("image")}
    if len(images) < sum(1 for _ in root.iter("image")):
        raise DataError(f"{file}: lists an image twice (or one without a name); export it again.")
    listed, faults = list(images.values()), list[str]()
    tracks = list(root.iter("track"))
    if tracks:
        frames, faults = _frames(file, root, tracks)
        listed += frames
    names = [node.text.strip() for node in root.iterfind(".//labels/label/name") if node.text]
    drawn = {drawn.name for image in listed for drawn in image.drawn if drawn.kind != "line"}
    tags = {name for image in listed for name in image.labels} - drawn  # of whole images alone
    return Listing("CVAT", listed, classes=tuple(sorted({*names, *drawn} - tags)), faults=faults)


def _image(file: Path, node: Element) -> ListedImage:
    name = node.get("name", "")
    size = size_of(finite(node.get("width")), finite(node.get("height")))
    image = ListedImage(name, f"{file.name}: image {node.get('id', '')} ({name})", size)
    image.labels = tuple(child.get("label", "") for child in node if child.tag == "tag")
    for place, child in enumerate((child for child in node if child.tag != "tag"), start=1):
        _add(image, child, child.get("label", ""), f"shape {place}")
    return image


class _Gap(NamedTuple):
    """Frames on which a track has no shape although it did not end before them."""

    first: int
    last: int
    where: str


def _frames(file: Path, root: Element, tracks: list[Element]) -> tuple[list[ListedImage], list[str]]:
    """Every frame of a video that somebody looked at, with the shapes that are not `outside` there: that ends a track.

    CVAT writes the shapes between two key frames out, so that nothing is to be interpolated: a gap is a fault, told in a sentence.
    """
    if len(root.findall(".//tasks/task")) > 1:
        raise DataError(f"{file}: holds the videos of several tasks, whose frames bear the same numbers; export each task by itself.")
    size = size_of(finite(root.findtext(".//original_size/width")), finite(root.findtext(".//original_size/height")))
    frames = {number: ListedImage(f"frame {number}", f"{file.name}: frame {number}", size, frame=number) for number in _looked_at(root)}
    gaps, step = list[_Gap](), _step(root)
    for track in tracks:
        where = f"track {track.get('id', '')}"
        seen: list[tuple[int, bool]] = []
        for shape in track:
            number = finite(shape.get("frame"))
            if number is None or number != int(number):
                raise DataError(f"{file}: {where} has a shape without the number of its frame; export it again.")
            name = f"frame {int(number)}"
            frame = frames.setdefault(int(number), ListedImage(name, f"{file.name}: {name}", size, frame=int(number)))
            outside = shape.get("outside") == "1"
            seen.append((int(number), outside))
            if not outside:
                _add(frame, shape, track.get("label", ""), where)
        gaps += _gaps(seen, step, f"{where} ({track.get('label', '')})")
    listed = [frames[number] for number in sorted(frames)]
    _mark(listed, gaps)
    return listed, [
        f"{file.name}: {gap.where} has no shape on {_span(gap)} and is not outside there; export it again with all its shapes, or end it "
        "before."
        for gap in gaps
    ]


def _gaps(seen: Iterable[tuple[int, bool]], step: int, where: str) -> list[_Gap]:
    """The gaps of one track. `seen`: numbers of its frames, and whether it is outside there; `step`: from one frame taken to the next."""
    ordered = sorted(seen)
    return [
        _Gap(number + step, following - 1, where)
        for (number, outside), (following, _) in pairwise(ordered)
        if not outside and following - number > step
    ]


def _mark(frames: list[ListedImage], gaps: Iterable[_Gap]) -> None:
    """Frames within a gap are no negatives: one entry on each, however many tracks have a gap there."""
    numbers = [image.frame or 0 for image in frames]
    done = 0
    for gap in sorted(gaps):
        while (done := max(done, bisect_left(numbers, gap.first))) < len(frames) and numbers[done] <= gap.last:
            frames[done].faulty.append(f"{gap.where} has no shape here and is not outside")
            done += 1


def _span(gap: _Gap) -> str:
    return f"frame {gap.first}" if gap.first == gap.last else f"frames {gap.first} to {gap.last}"


def _step(root: Element) -> int:
    found = STEP.search(root.findtext("meta//frame_filter") or "")
    return int(found[1]) if found else 1


def _looked_at(root: Element) -> range:
    """The frames of a task, where its head tells them; none without."""
    start, stop = (finite(root.findtext(f"meta//{key}")) for key in ("start_frame", "stop_frame"))
    step = (root.findtext("meta//frame_filter") or "").strip()
    if start is None or stop is None or step or stop - start > MOST_FRAMES:  # of a filtered video only frames with shapes are sure
        return range(0)
    return range(int(start), int(stop) + 1)


def _add(image: ListedImage, node: Element, name: str, where: str) -> None:
    """One shape to its image."""
    where = f"{where} ({node.tag} {name})"
    if not name:
        image.faulty.append(f"{where.removesuffix(' )')}) has no label")
        return
    if node.tag in LINES:
        image.drawn.append(Drawn(name, None, where, "line"))
        return
    shape = SHAPES.get(node.tag)
    if shape is None:
        image.faulty.append(f"{where} is of a kind that is not read")
        return
    try:
        region = shape(node, image)
    except ValueError as error:
        image.faulty.append(f"{where} {error}")
        return
    image.drawn.append(Drawn(name, region.box, where, region=None if node.tag == "box" else region))


def _numbers(node: Element, *keys: str) -> tuple[float, ...]:
    values = [finite(node.get(key)) for key in keys]
    if None in values:
        raise ValueError(f"has no number as {keys[values.index(None)]}")
    return tuple(value for value in values if value is not None)


def _turn(node: Element) -> float:
    """Degrees clockwise, none where nothing is said."""
    return _numbers(node, "rotation")[0] if "rotation" in node.attrib else 0.0


def _box(node: Element, image: ListedImage) -> Region:
    """A box, turned about its middle where it is rotated; the box around it then counts."""
    x0, y0, x1, y1 = _numbers(node, "xtl", "ytl", "xbr", "ybr")
    if x1 < x0 or y1 < y0:
        raise ValueError("has its corners swapped")
    return turned(rectangle(x0, y0, x1, y1), ((x0 + x1) / 2, (y0 + y1) / 2), _turn(node))


def _polygon(node: Element, image: ListedImage) -> Region:
    pairs = [pair.split(",") for pair in node.get("points", "").split(";") if pair.strip()]
    points = [[finite(number) for number in pair] for pair in pairs]
    if any(len(pair) != 2 or None in pair for pair in points):
        raise ValueError("has points that are not pairs of numbers")
    if len(points) < 3:
        raise ValueError(f"has {len(points)} corners, three are the least")
    return Outline((np.array(points, float),))


def _ellipse(node: Element, image: ListedImage) -> Region:
    x, y, across, down = _numbers(node, "cx", "cy", "rx", "ry")
    if across < 0 or down < 0:
        raise ValueError("has a negative size")
    return ellipse(x, y, across, down, _turn(node))


def _mask(node: Element, image: ListedImage) -> Region:
    """Run lengths along the rows of a box, the first of them outside."""
    left, top, width, height = map(int, _numbers(node, "left", "top", "width", "height"))
    lengths = [finite(length) for length in node.get("rle", "").split(",")]
    if any(length is None or length < 0 or length != int(length) for length in lengths):
        raise ValueError("has run lengths that are not whole numbers")
    runs = np.array(lengths, float).astype(np.int64)
    if image.size is None:
        raise ValueError("is a mask on an image whose size is not listed")
    across, down = image.size
    if across * down >= MOST_PIXELS or width < 1 or height < 1 or left < 0 or top < 0 or left + width > across or top + height > down:
        raise ValueError(f"leaves its image of {across} x {down} pixels")
    if runs.sum() != width * height:
        raise ValueError(f"has run lengths of {runs.sum():,} pixels for a box of {width} x {height}")
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return Runs.at(inside, left, top, down, across)


SHAPES: dict[str, Callable[[Element, ListedImage], Region]] = {"box": _box, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask}
