"""Pascal VOC's XML: one file an image, each object a name and four corners."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.matching import same_stem
from labelfree.data.label_formats.numbers import finite, size_of
from labelfree.data.label_formats.xml_text import read_xml
from labelfree.errors import DataError

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def is_voc(root: Element) -> bool:
    """Whether an XML file is one of VOC's."""
    return root.tag == "annotation"


def read_voc(files: Sequence[Path], folder: Path) -> Listing:
    """A folder of files, or some of one. An image is found by its file's own stem.

    VOC counts pixels from 1 and names the last one of an object: xmin 1, xmax 100 is all of 100 pixels, here 0 to 100. Where any file of
    the set says 0 it counts from 0, and corners stay as they are. `difficult` objects are objects.
    """
    listed = [_image(file, folder, read_xml(file)) for file in files]
    least = [corner for image in listed for drawn in image.drawn for corner in (drawn.box or ())[:2]]
    from_zero = any(0 <= corner < 1 for corner in least)  # below 0 an object leaves its image, however pixels are counted
    notes = ["VOC's corners say 0, so that pixels are counted from 0 and corners are taken as they are."] if from_zero else []
    if not from_zero:
        for image in listed:
            image.drawn = [_from_one(drawn) for drawn in image.drawn]
    classes = sorted({drawn.name for image in listed for drawn in image.drawn})
    return Listing("VOC", listed, classes=tuple(classes), notes=notes)


def _from_one(drawn: Drawn) -> Drawn:
    assert drawn.box is not None
    x0, y0, x1, y1 = drawn.box
    return Drawn(drawn.name, (x0 - 1, y0 - 1, x1, y1), drawn.where, drawn.kind, drawn.region)


def _image(file: Path, folder: Path, root: Element) -> ListedImage:
    if not is_voc(root):
        raise DataError(f"{file}: is no VOC annotation (it begins with <{root.tag}>); take it out of the folder, or export it as VOC.")
    written = (root.findtext("filename") or "").strip()
    if written and not same_stem(written, file):
        raise DataError(f"{file}: is named after another image than the one in it (<filename> {written}); rename one of them.")
    image = ListedImage(file.relative_to(folder).as_posix(), file.name, _size(root))
    for place, node in enumerate(root.iter("object"), start=1):
        name = (node.findtext("name") or "").strip()
        where = f"object {place} ({name or 'without a name'})"
        corners = [finite(node.findtext(f"bndbox/{corner}")) for corner in CORNERS]
        if not name:
            image.faulty.append(f"{where} has no class")
        elif None in corners:
            image.faulty.append(f"{where} has no four numbers in bndbox ({', '.join(CORNERS)})")
        else:
            x0, y0, x1, y1 = (float(corner or 0.0) for corner in corners)
            image.drawn.append(Drawn(name, (x0, y0, x1, y1), where))
    return image


def _size(root: Element) -> tuple[int, int] | None:
    return size_of(finite(root.findtext("size/width")), finite(root.findtext("size/height")))
