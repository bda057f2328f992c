"""COCO's JSON: polygons of several parts, run lengths as a string and as a list, crowds, images listed without annotations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.label_formats.json_text import records
from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.numbers import number, size_of, whole
from labelfree.data.label_formats.regions import Corners, Outline, Region, Runs
from labelfree.errors import DataError

Id = int | str
NONE: Id = ""  # no record bears it
LOOSE = 2.0  # pixels between a box and the one around its outline
CROWD = (1, True, "1")  # what `iscrowd` says of one


def is_coco(content: Any) -> bool:
    """Whether what a JSON file holds is COCO's."""
    return isinstance(content, dict) and isinstance(content.get("images"), list) and ("annotations" in content or "categories" in content)


def read_coco(file: Path, content: Mapping[str, Any]) -> Listing:
    """The images of one file, listed with or without objects. Raises `DataError` where ids stand for two things or a record has none."""
    categories = _by_id(file, "category", records(file, content, "categories"))
    names = {identity: str(entry.get("name") or "").strip() for identity, entry in categories.items()}
    if nameless := [identity for identity, name in names.items() if not name]:
        raise DataError(f"{file}: category {nameless[0]} has no name; give it one.")
    if twice := [name for name, count in Counter(names.values()).items() if count > 1]:
        raise DataError(f"{file}: two categories are called {twice[0]!r}; rename or join them.")
    images = {
        identity: _image(file, identity, entry) for identity, entry in _by_id(file, "image", records(file, content, "images")).items()
    }
    annotations = records(file, content, "annotations")
    _by_id(file, "annotation", [entry for entry in annotations if "id" in entry])
    faults = []
    for place, entry in enumerate(annotations):
        where = f"annotation {entry['id']}" if "id" in entry else f"the annotation at place {place + 1}"
        image, name = images.get(_id(entry, "image_id")), names.get(_id(entry, "category_id"))
        if image is None:
            faults.append(
                f"{file.name}: {where} belongs to image {entry.get('image_id')}, which is not listed; remove it or list the image."
            )
        elif name is None:
            image.faulty.append(f"{where} belongs to category {entry.get('category_id')}, which is not listed")
        else:
            _add(image, f"{where} ({name})", name, entry)
    ids = {name: identity for identity, name in names.items() if isinstance(identity, int)}
    return Listing("COCO", list(images.values()), ids, tuple(sorted(names.values())), faults)


def _image(file: Path, identity: Id, entry: Mapping[str, Any]) -> ListedImage:
    name = entry.get("file_name")
    if not isinstance(name, str) or not name.strip():
        raise DataError(f"{file}: image {identity} has no file_name; give it one.")
    return ListedImage(name, f"{file.name}: image {identity} ({name})", size_of(entry.get("width"), entry.get("height")))


def _add(image: ListedImage, where: str, name: str, entry: Mapping[str, Any]) -> None:
    """One annotation to its image."""
    try:
        region = _region(image, entry.get("segmentation"))
        box = _box(entry.get("bbox"), region)
        if region is not None and box is not None and region.box is not None and _apart(box, region.box):
            raise ValueError("has a box that is not the one around its outline")
    except ValueError as error:
        image.faulty.append(f"{where} {error}")
        return
    image.drawn.append(Drawn(name, box, where, "crowd" if entry.get("iscrowd") in CROWD else "object", region))


def _box(bbox: Any, region: Region | None) -> Corners | None:
    """(x0, y0, x1, y1) of COCO's x, y, width, height; that of the region where there is none."""
    if bbox is None or bbox == []:
        if region is None:
            raise ValueError("has neither a box nor an outline")
        return region.box
    if not (isinstance(bbox, Sequence) and len(bbox) == 4 and all(map(number, bbox))):
        raise ValueError("has a bbox that is not four numbers")
    x, y, width, height = map(float, bbox)
    return x, y, x + width, y + height


def _apart(box: Corners, around: Corners) -> bool:
    """Whether a box is another than the one around an outline: rounding and a loose frame leave it half of its size at most."""
    side = max(around[2] - around[0], around[3] - around[1])
    return max(abs(here - there) for here, there in zip(box, around, strict=True)) > LOOSE + side / 2


def _region(image: ListedImage, segmentation: Any) -> Region | None:
    """Polygons or run lengths; None where there is none. Raises `ValueError` with the end of a sentence."""
    if segmentation is None or segmentation == [] or segmentation == {}:
        return None
    if isinstance(segmentation, Mapping):
        return _runs(image, segmentation)
    if not isinstance(segmentation, Sequence) or isinstance(segmentation, str):
        raise ValueError("has a segmentation that is neither polygons nor run lengths")
    parts = [segmentation] if all(map(number, segmentation)) else segmentation
    rings = []
    for part in parts:
        if not (isinstance(part, Sequence) and all(map(number, part)) and len(part) % 2 == 0):
            raise ValueError("has a polygon that is not pairs of numbers")
        if len(part) < 6:
            raise ValueError(f"has a polygon of {len(part) // 2} corners, three are the least")
        rings.append(np.array(part, float).reshape(-1, 2))
    return Outline(tuple(rings))


def _runs(image: ListedImage, segmentation: Mapping[str, Any]) -> Runs:
    """Run lengths. Where the image is listed without a size, it has theirs."""
    size, counts = segmentation.get("size"), segmentation.get("counts")
    own = size_of(size[1], size[0]) if isinstance(size, Sequence) and len(size) == 2 else None
    if own is None:
        raise ValueError("has run lengths without the size of their picture")
    image.size = image.size or own
    (width, height), (across, down) = own, image.size
    if own != image.size:
        raise ValueError(f"has run lengths for {width} x {height} pixels, its image is listed with {across} x {down}")
    if isinstance(counts, str):
        return Runs.from_text(height, width, counts.encode())
    if isinstance(counts, Sequence) and all(map(whole, counts)):
        return Runs.from_list(height, width, [int(count) for count in counts])
    raise ValueError("has run lengths that are neither a text nor a list of whole numbers")


def _by_id(file: Path, what: str, entries: Sequence[Mapping[str, Any]]) -> dict[Id, Mapping[str, Any]]:
    """Records by their ids. Raises `DataError` for an id that two of them bear, and for a record without one."""
    identities = [_id(entry, "id") for entry in entries]
    if NONE in identities:
        raise DataError(f"{file}: {_article(what)} has no id; give each its own.")
    counts = Counter(identities)
    if twice := [identity for identity, count in counts.items() if count > 1]:
        more = f" (and {len(twice) - 1} further ids)" if len(twice) > 1 else ""
        raise DataError(f"{file}: {what} id {twice[0]} stands for {counts[twice[0]]} of them{more}; give each its own.")
    return dict(zip(identities, entries, strict=True))


def _article(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


def _id(entry: Mapping[str, Any], key: str) -> Id:
    """A whole number or a text, `NONE` where the record holds neither. "7" is 7: tools write one here and the other there."""
    value = entry.get(key)
    if isinstance(value, str):
        return int(value) if re.fullmatch("0|[1-9][0-9]{0,17}", value) else value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if whole(value) else NONE
