"""Label Studio's JSON export: a list of tasks, each an image and what its annotators drew, in percent of the picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from labelfree.data.label_formats.json_text import number
from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.regions import Outline, Region, Runs, ellipse, rectangle, turned
from labelfree.errors import DataError

UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what an upload is called in front of its own name
PICTURE = re.compile(r"\.(png|jpe?g|tiff?|bmp|webp|gif|jp2|dcm|nii(\.gz)?)$", re.IGNORECASE)
LINES = {"keypoint", "vector"}
SHAPES = {"rectangle", "polygon", "ellipse", "brush"}


def is_label_studio(content: Any) -> bool:
    """Whether what a JSON file holds is Label Studio's full export."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(task, dict) and isinstance(task.get("data"), dict) and "annotations" in task for task in content)
    )


def read_label_studio(file: Path, content: list[Mapping[str, Any]]) -> Listing:
    """The images of one export. A task that nobody answered, or that was skipped, is not listed; predictions are not read."""
    listed, faults = list[ListedImage](), list[str]()
    for place, task in enumerate(content, start=1):
        where = f"{file.name}: task {task.get('id', place)}"
        answers = [answer for answer in task.get("annotations") or [] if isinstance(answer, dict) and not answer.get("was_cancelled")]
        if len(answers) > 1:
            faults.append(f"{where} has answers of {len(answers)} annotators; keep one, nobody can tell which is right.")
        elif answers:
            listed.append(_image(where, task["data"], answers[0]))
    classes = tuple(sorted({drawn.name for image in listed for drawn in image.drawn if drawn.kind != "line"}))
    return Listing("Label Studio", listed, classes=classes, faults=faults)


def _image(where: str, data: Mapping[str, Any], answer: Mapping[str, Any]) -> ListedImage:
    address = next((value for value in data.values() if isinstance(value, str) and PICTURE.search(_file_of(value))), None)
    if address is None:
        raise DataError(f"{where} names no picture in its data; export the tasks with their images.")
    results = [result for result in answer.get("result") or [] if isinstance(result, dict)]
    sizes = {(int(result["original_width"]), int(result["original_height"])) for result in results if _sized(result)}
    image = ListedImage(UPLOADED.sub("", _file_of(address)), where, next(iter(sizes)) if len(sizes) == 1 else None)
    for place, result in enumerate(results, start=1):
        _add(image, result, f"result {place}")
    return image


def _file_of(address: str) -> str:
    """The path in an address: of an upload, of a local file (`?d=`), of a bucket."""
    parts = urlsplit(address.replace("\\", "/"))
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path).lstrip("/")


def _sized(result: Mapping[str, Any]) -> bool:
    return number(result.get("original_width")) and number(result.get("original_height"))


def _add(image: ListedImage, result: Mapping[str, Any], where: str) -> None:
    """One result to its image: a shape with its class, or a class of the whole image."""
    kind, value = str(result.get("type") or ""), result.get("value")
    if not isinstance(value, dict):
        return
    if "choices" in value:
        image.labels += tuple(map(str, value["choices"]))
        return
    shape = kind.removesuffix("labels")
    if shape not in SHAPES | LINES:
        return  # text, ratings, relations say nothing of what lies where
    names = value.get(kind) or []
    name = str(names[0]) if len(names) == 1 else ""
    where = f"{where} ({shape} {name})"
    if not name:
        image.faulty.append(f"{where} has {len(names) or 'no'} classes")
    elif shape in LINES:
        image.drawn.append(Drawn(name, None, where, "line"))
    elif not _sized(result):
        image.faulty.append(f"{where} does not say how large the picture was")
    else:
        try:
            region = _region(shape, value, float(result["original_width"]), float(result["original_height"]))
        except (ValueError, TypeError) as error:
            image.faulty.append(f"{where} {error}")
            return
        if region.box is None:
            image.faulty.append(f"{where} holds no pixel")
        else:
            image.drawn.append(Drawn(name, region.box, where, region=None if shape == "rectangle" else region))


def _region(shape: str, value: Mapping[str, Any], width: float, height: float) -> Region:
    """A shape in pixels. Raises `ValueError` with the end of a sentence."""
    scale, degrees = np.array([width, height]) / 100, float(value.get("rotation") or 0.0)
    if shape == "brush":
        return Runs.of(_brushed(value.get("rle"), int(width), int(height)))
    if shape == "polygon":
        points = np.array(value.get("points") or [], float).reshape(-1, 2)
        if len(points) < 3:
            raise ValueError(f"has {len(points)} corners")
        return Outline((points * scale,))
    keys = ("x", "y", "width", "height") if shape == "rectangle" else ("x", "y", "radiusX", "radiusY")
    if not all(number(value.get(key)) for key in keys):
        raise ValueError(f"has no numbers as {', '.join(keys)}")
    x, y, across, down = (float(value[key]) * part for key, part in zip(keys, [*scale, *scale], strict=True))
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
    if count != 4 * width * height:
        raise ValueError(f"has run lengths of {count // 4:,} pixels for a picture of {width} x {height}")
    values, at = np.zeros(count, np.uint32), 0
    while at < count:
        repeats = bits.take(1)
        length = bits.take(counters[bits.take(2)]) + 1
        if at + length > count:
            raise ValueError("has run lengths that do not end with their picture")
        values[at : at + length] = bits.take(word) if repeats else [bits.take(word) for _ in range(length)]
        at += length
    return np.asarray(values.reshape(height, width, 4)[..., 3] > 0)


class _Bits:
    """Bits read from the front."""

    def __init__(self, bits: np.ndarray) -> None:
        self._text, self._at = "".join(map(str, bits)), 0

    def take(self, count: int) -> int:
        """The next bits as a number. Raises `ValueError` where none are left."""
        if self._at + count > len(self._text):
            raise ValueError("has run lengths that are cut off")
        self._at += count
        return int(self._text[self._at - count : self._at], 2)
