"""Label Studio's JSON export: a list of tasks, each an image and what its annotators drew, in percent of the picture.

`image_rotation` of a result tells how its annotator had turned the view: places are written in the picture that is not turned.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from labelfree.data.label_formats.json_text import records
from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.numbers import number, points_of, size_of
from labelfree.data.label_formats.regions import MOST_PIXELS, Outline, Region, Runs, ellipse, rectangle, turned

UPLOADED = re.compile(r"/upload/.*?([^/]+)$")  # the name of an upload, in an address
BEFORE = re.compile(r"^[0-9a-f]{8}-")  # what an upload's own name gets in front of it
PICTURE = re.compile(r"\.(png|jpe?g|tiff?|bmp|webp|gif|jp2|dcm|nii(\.gz)?)$", re.IGNORECASE)
LINES = {"keypoint", "vector"}
SHAPES = {"rectangle", "polygon", "ellipse", "brush"}
ASIDE = {"textarea", "choices", "rating", "number", "taxonomy", "relation"}  # what is said of an image or of a shape, and is none
PLACED = {"x", "points", "vertices", "rle", "sequence"}  # keys by which a result says where something lies


def is_label_studio(content: Any) -> bool:
    """Whether what a JSON file holds is Label Studio's full export."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(task, dict) and isinstance(task.get("data"), dict) and "annotations" in task for task in content)
    )


def is_short_form(content: Any) -> bool:
    """Whether it is Label Studio's short form, a list of records in which results stand without their answers."""
    if not isinstance(content, list) or not all(isinstance(task, dict) for task in content):
        return False
    results = [result for task in content for value in task.values() if isinstance(value, list) for result in value]
    return any(isinstance(result, dict) and "original_width" in result for result in results)


def read_label_studio(file: Path, content: list[Mapping[str, Any]]) -> Listing:
    """The images of one export. A task that nobody answered, or that was skipped, is not listed; predictions are not read."""
    listed, faults = list[ListedImage](), list[str]()
    for place, task in enumerate(content, start=1):
        where = f"{file.name}: task {task.get('id', place)}"
        answers = [answer for answer in records(where, task, "annotations") if not answer.get("was_cancelled")]
        pictures = _pictures(task["data"])
        if len(answers) > 1:
            faults.append(f"{where} has answers of {len(answers)} annotators; keep one, nobody can tell which is right.")
        elif answers and len(pictures) != 1:
            names = f"names {len(pictures)} pictures in its data" if pictures else "names no picture in its data"
            faults.append(f"{where} {names}; export tasks of one picture each.")
        elif answers:
            listed.append(_image(where, pictures[0], answers[0]))
    classes = tuple(sorted({drawn.name for image in listed for drawn in image.drawn if drawn.kind != "line"}))
    return Listing("Label Studio", listed, classes=classes, faults=faults)


def _pictures(data: Mapping[str, Any]) -> list[str]:
    """The addresses of pictures in a task's data."""
    return sorted({value for value in data.values() if isinstance(value, str) and PICTURE.search(_file_of(value))})


def _file_of(address: str) -> str:
    """The path in an address: of an upload, of a local file (`?d=`), of a bucket."""
    try:
        parts = urlsplit(address.replace("\\", "/"))
    except ValueError:  # a text that begins like an address
        return ""
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path).lstrip("/")


def _image(where: str, address: str, answer: Mapping[str, Any]) -> ListedImage:
    name, results = _file_of(address), records(where, answer, "result")
    uploaded = UPLOADED.search(f"/{name}")
    image = ListedImage(name, where, other_name=BEFORE.sub("", uploaded[1]) if uploaded else "")
    named = {str(result.get("id")): _names(result, "labels") for result in results if _kind(result) == "labels"}
    regions = {str(result["id"]) for result in results if "id" in result and _kind(result).removesuffix("labels") in SHAPES | LINES}
    for place, result in enumerate(results, start=1):
        if _kind(result) == "choices" and not _of_region(result, regions):
            image.labels += tuple(_names(result, "choices"))
        _add(image, result, f"result {place}", named.get(str(result.get("id")), []))
    return image


def _kind(result: Mapping[str, Any]) -> str:
    return str(result.get("type") or "")


def _of_region(result: Mapping[str, Any], regions: Collection[str]) -> bool:
    """Whether a result says something of one shape, whose place and number it then bears, and nothing of the whole image."""
    value = result.get("value")
    return str(result.get("id")) in regions or (isinstance(value, dict) and not PLACED.isdisjoint(value))


def _names(result: Mapping[str, Any], key: str) -> list[str]:
    """The names under a key of a result's value."""
    value = result.get("value")
    names = value.get(key) if isinstance(value, dict) else None
    return [name for name in names if isinstance(name, str) and name.strip()] if isinstance(names, list) else []


def _add(image: ListedImage, result: Mapping[str, Any], where: str, beside: list[str]) -> None:
    """A shape with its class to its image; what is no shape is passed over. `beside`: classes in a result of their own."""
    kind, value = _kind(result), result.get("value")
    if not isinstance(value, dict) or kind == "labels" or kind in ASIDE:
        return
    shape, names = kind.removesuffix("labels"), _names(result, kind) or beside
    where = f"{where} ({' '.join([shape, *names])})"
    if shape not in SHAPES | LINES:
        if not PLACED.isdisjoint(value):
            image.faulty.append(f"{where} is of a kind that is not read")
    elif len(names) != 1:
        image.faulty.append(f"{where} has {len(names) or 'no'} classes")
    elif shape in LINES:
        image.drawn.append(Drawn(names[0], None, where, "line"))
    else:
        try:
            region = _region(shape, value, _picture(image, result))
        except ValueError as error:
            image.faulty.append(f"{where} {error}")
            return
        image.drawn.append(Drawn(names[0], region.box, where, region=None if shape == "rectangle" else region))


def _picture(image: ListedImage, result: Mapping[str, Any]) -> tuple[int, int]:
    """(width, height) of the picture, which each result says for itself. Raises `ValueError` where it is none, or another than before."""
    size = size_of(result.get("original_width"), result.get("original_height"))
    if size is None:
        raise ValueError("does not say how large its picture is")
    image.size = image.size or size
    if size != image.size:
        raise ValueError(f"is drawn on {size[0]} x {size[1]} pixels, and what stands before it on {image.size[0]} x {image.size[1]}")
    return size


def _region(shape: str, value: Mapping[str, Any], size: tuple[int, int]) -> Region:
    """A shape in pixels. Raises `ValueError` with the end of a sentence."""
    if shape == "brush":
        return Runs.of(_brushed(value.get("rle"), *size))
    scale, degrees = np.array(size) / 100, value.get("rotation") or 0.0
    if not number(degrees):
        raise ValueError("is turned by what is no number")
    if shape == "polygon":
        points = points_of(value.get("points"))
        if len(points) < 3:
            raise ValueError(f"has {len(points)} corners, three are the least")
        return Outline((points * scale,))
    keys = ("x", "y", "width", "height") if shape == "rectangle" else ("x", "y", "radiusX", "radiusY")
    if not all(number(value.get(key)) for key in keys):
        raise ValueError(f"has no numbers as {', '.join(keys)}")
    x, y, across, down = (float(value[key]) * part for key, part in zip(keys, [*scale, *scale], strict=True))
    if across < 0 or down < 0:
        raise ValueError("has a negative size")
    if shape == "ellipse":
        return ellipse(x, y, across, down, degrees)
    return turned(rectangle(x, y, x + across, y + down), (x, y), degrees)  # about its upper left corner


def _brushed(stored: Any, width: int, height: int) -> np.ndarray:
    """(height, width) bool of Label Studio's own run lengths: bits of values red, green, blue, alpha, pixel by pixel along the rows.

    First how many values (32 bits), how many bits a value has less one (5), and four lengths of a run's counter less one (4 each). Then
    in turn: whether one value repeats (1 bit), which of the four counters (2), the counter less one, and the value or the values.
    """
    if not isinstance(stored, list) or not all(isinstance(byte, int) and 0 <= byte < 256 for byte in stored):
        raise ValueError("has run lengths that are no bytes")
    bits = _Bits(np.unpackbits(np.array(stored, np.uint8)))
    count, word, counters = bits.take(32), bits.take(5) + 1, [bits.take(4) + 1 for _ in range(4)]
    if count != 4 * width * height or width * height >= MOST_PIXELS:
        raise ValueError(f"has run lengths of {count // 4:,} pixels for a picture of {width} x {height}")
    drawn, at = np.zeros(count, bool), 0
    while at < count:
        repeats = bits.take(1)
        length = bits.take(counters[bits.take(2)]) + 1
        if at + length > count:
            raise ValueError("has run lengths that do not end with their picture")
        drawn[at : at + length] = bits.take(word) > 0 if repeats else [bits.take(word) > 0 for _ in range(length)]
        at += length
    return np.asarray(drawn.reshape(height, width, 4)[..., 3])


class _Bits:
    """Bits read from the front."""

    def __init__(self, bits: np.ndarray) -> None:
        self._text, self._at = (bits + ord("0")).tobytes().decode("ascii"), 0

    def take(self, count: int) -> int:
        """The next bits as a number. Raises `ValueError` where none are left."""
        if self._at + count > len(self._text):
            raise ValueError("has run lengths that are cut off")
        self._at += count
        return int(self._text[self._at - count : self._at], 2)
