"""Boxes drawn on images, as Pascal VOC keeps them: one XML file an image, each object a name and four corners."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from labelfree.data.safe_xml import MOST_BYTES, parse_xml
from labelfree.errors import DataError

CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class Box:
    """One object: its class and its corners in pixels."""

    name: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def empty(self) -> bool:
        """Whether it covers no area."""
        return self.xmax <= self.xmin or self.ymax <= self.ymin

    def inside(self, height: int, width: int) -> bool:
        """Whether it lies within an image of this size, give or take a pixel: corners are rounded, and counted from 0 or from 1."""
        return self.xmin >= -1 and self.ymin >= -1 and self.xmax <= width + 1 and self.ymax <= height + 1


def is_voc(cell: str) -> bool:
    """Whether a manifest's `boxes` names a file that `read_voc` reads."""
    return cell.lower().endswith(".xml")


def read_voc(path: Path) -> list[Box]:
    """The objects of one file, tags read by name. Raises `DataError` naming the file that is missing, broken or no VOC annotation."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); correct the path in the table.") from error
    root = parse_xml(raw, path)
    return [_box(path, node) for node in root.iter("object")]


def _box(path: Path, node: Element) -> Box:
    name = (node.findtext("name") or "").strip()
    try:
        corners = [float(node.findtext(f"bndbox/{corner}") or "") for corner in CORNERS]
    except ValueError:
        raise DataError(f"{path}: an object {name!r} without four numbers in bndbox ({', '.join(CORNERS)}); correct it.") from None
    return Box(name, *corners)
