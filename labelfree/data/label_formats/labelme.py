"""LabelMe's JSON: one file an image, shapes drawn from any corner, parts of one object joined by `group_id`."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.label_formats.image_files import read_each
from labelfree.data.label_formats.json_text import read_json_text, records
from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.matching import same_stem
from labelfree.data.label_formats.numbers import points_of, size_of
from labelfree.data.label_formats.regions import Outline, Runs, ellipse, rectangle
from labelfree.errors import DataError

LINES = {"line", "linestrip", "point", "points"}  # what encloses nothing


def is_labelme(content: Any) -> bool:
    """Whether what a JSON file holds is LabelMe's."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def read_labelme(files: Sequence[Path], folder: Path) -> Listing:
    """A folder of files, or some of one. An image is found by its file's own stem.

    Broken files are faults; raises `DataError` where all are.
    """
    listed, faults = read_each(files, folder, lambda file: _image(file, folder))
    classes = sorted({drawn.name for image in listed for drawn in image.drawn if drawn.kind != "line"})
    return Listing("LabelMe", listed, classes=tuple(classes), faults=faults)


def _image(file: Path, folder: Path) -> ListedImage:
    content = read_json_text(file)
    if not is_labelme(content):
        raise DataError(f"{file}: is no LabelMe file (no shapes, or no imagePath); take it out of the folder, or export it again.")
    written = str(content.get("imagePath") or "")
    if written and not same_stem(written, file):
        raise DataError(f"{file}: is named after another image than the one in it (imagePath {written}); rename one of them.")
    size = size_of(content.get("imageWidth"), content.get("imageHeight"))
    flags = content.get("flags")
    labels = tuple(name for name, said in flags.items() if said is True) if isinstance(flags, dict) else ()
    image = ListedImage(file.relative_to(folder).as_posix(), file.name, size, labels=labels)
    groups: dict[Any, list[Drawn]] = defaultdict(list)
    for place, shape in enumerate(records(file, content, "shapes"), start=1):
        name, kind = str(shape.get("label") or "").strip(), str(shape.get("shape_type") or "polygon")
        where = f"shape {place} ({kind} {name})"
        if not name:
            image.faulty.append(f"shape {place} ({kind}) has no label")
        elif kind in LINES:
            image.drawn.append(Drawn(name, None, where, "line"))
        else:
            try:
                region = _region(shape, kind, size)
            except ValueError as error:
                image.faulty.append(f"{where} {error}")
                continue
            group = shape.get("group_id")
            drawn = Drawn(name, region.box, where, region=None if kind == "rectangle" else region)
            groups[place if group is None else ("group", str(group), name)].append(drawn)
    image.drawn += [_joined(parts) for parts in groups.values()]
    return image


def _region(shape: Mapping[str, Any], kind: str, size: tuple[int, int] | None) -> Outline | Runs:
    """One shape. Raises `ValueError` with the end of a sentence."""
    if kind == "mask":
        return _brushed(shape, size)
    points = points_of(shape.get("points"))
    if kind == "rectangle":  # two opposite corners in any order; newer files give all four
        if len(points) < 2:
            raise ValueError("has fewer than two corners")
        return rectangle(*points.min(0).tolist(), *points.max(0).tolist())
    if kind == "circle":  # its middle, and a point on its rim
        if len(points) != 2:
            raise ValueError("is not given by its middle and a point on its rim")
        radius = float(np.hypot(*(points[1] - points[0])))
        return ellipse(float(points[0, 0]), float(points[0, 1]), radius, radius)
    if kind in ("polygon", "oriented_rectangle"):
        if len(points) < 3:
            raise ValueError(f"has {len(points)} corners, three are the least")
        return Outline((points,))
    raise ValueError("is of a kind that is not read")


def _brushed(shape: Mapping[str, Any], size: tuple[int, int] | None) -> Runs:
    """A mask drawn with a brush: a PNG as base64 text, whose first pixel lies at the first point."""
    from PIL import Image

    if size is None:
        raise ValueError("is a mask on an image whose size is not given")
    try:
        with Image.open(io.BytesIO(base64.b64decode(str(shape.get("mask") or "")))) as picture:
            inside = np.asarray(picture.convert("L")) > 0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("has a mask that is no picture") from error
    points, (width, height) = points_of(shape.get("points")), size
    if not len(points):
        raise ValueError("is a mask without the point at which it begins")
    left, top = (round(coordinate) for coordinate in points[0])
    return Runs.at(inside, left, top, height, width)


def _joined(parts: Sequence[Drawn]) -> Drawn:
    """Shapes of one group as one object."""
    if len(parts) == 1:
        return parts[0]
    masks = [part.region for part in parts if isinstance(part.region, Runs)]
    rings = [ring for part in parts if not isinstance(part.region, Runs) for ring in _outline(part).rings]
    region: Outline | Runs = Outline(tuple(rings)) if rings else masks[0]
    if masks:
        height, width = masks[0].height, masks[0].width
        outlines = [Outline(tuple(rings)).cut(width, height)] if rings else []  # drawing one costs its length, however far it reaches
        pixels = [mask.mask(height, width) for mask in masks] + [outline.mask(height, width) for outline in outlines]
        region = Runs.of(np.any(pixels, axis=0))
    return Drawn(parts[0].name, region.box, " and ".join(part.where for part in parts), region=region)


def _outline(drawn: Drawn) -> Outline:
    assert drawn.box is not None
    return drawn.region if isinstance(drawn.region, Outline) else rectangle(*drawn.box)
