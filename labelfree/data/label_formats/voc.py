"""Pascal VOC's XML: one file an image, each object a name and four corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from labelfree.data.label_formats.image_files import read_each
from labelfree.data.label_formats.listed import Drawn, ListedImage, Listing
from labelfree.data.label_formats.matching import same_stem
from labelfree.data.label_formats.numbers import finite, size_of
from labelfree.data.label_formats.xml_text import read_xml
from labelfree.errors import DataError
from labelfree.samples import Row

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def is_voc(root: Element) -> bool:
    """Whether an XML file is one of VOC's."""
    return root.tag == "annotation"


def read_voc(files: Sequence[Path], folder: Path) -> Listing:
    """A folder of files, or some of one. An image is found by its file's own stem.

    VOC counts pixels from 1 and names the last one of an object: xmin 1, xmax 100 is all of 100 pixels, here 0 to 100. Where any file of
    the set says 0 it counts from 0, and corners stay as they are. `difficult` objects are objects. Broken files are faults; raises
    `DataError` where all are.
    """
    listed, faults = read_each(files, folder, lambda file: _file(file, file.relative_to(folder).as_posix(), read_xml(file)))
    notes = _counted(listed)
    classes = sorted({drawn.name for image in listed for drawn in image.drawn})
    return Listing("VOC", listed, classes=tuple(classes), faults=faults, notes=notes)


def drawn_by_table(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Rows whose cell `boxes` names a file of VOC's, with what it draws; and how pixels are counted. A broken file draws nothing."""
    listed = {cell: _of_cell(Path(cell)) for cell in dict.fromkeys(row.boxes for row in rows) if cell and _names_voc(cell)}
    notes = _counted(list(listed.values()))
    return [replace(row, listed=listed[row.boxes]) if row.boxes in listed else row for row in rows], notes


def _names_voc(cell: str) -> bool:
    return cell.lower().endswith(".xml") and Path(cell).is_file()


def _of_cell(file: Path) -> ListedImage:
    """What a file draws, whatever image the table gives it to."""
    try:
        return _image(file, file.name, read_xml(file))
    except DataError as error:
        return ListedImage(file.name, str(file), faulty=[str(error).removeprefix(f"{file}: ").rstrip(".")])


def _counted(listed: Sequence[ListedImage]) -> list[str]:
    """Brings corners that count from 1 to edges of pixels, in place; a sentence where those of the set count from 0."""
    least = [corner for image in listed for drawn in image.drawn for corner in (drawn.box or ())[:2]]
    if any(0 <= corner < 1 for corner in least):  # below 0 an object leaves its image, however pixels are counted
        return ["VOC's corners say 0, so that pixels are counted from 0 and corners are taken as they are."]
    for image in listed:
        image.drawn = [_from_one(drawn) for drawn in image.drawn]
    return []


def _from_one(drawn: Drawn) -> Drawn:
    assert drawn.box is not None
    x0, y0, x1, y1 = drawn.box
    return replace(drawn, box=(x0 - 1, y0 - 1, x1, y1))


def _file(file: Path, name: str, root: Element) -> ListedImage:
    """One file of a folder, which belongs to the image of its stem."""
    written = (root.findtext("filename") or "").strip()
    if is_voc(root) and written and not same_stem(written, file):
        raise DataError(f"{file}: is named after another image than the one in it (<filename> {written}); rename one of them.")
    return replace(_image(file, name, root), where=name)


def _image(file: Path, name: str, root: Element) -> ListedImage:
    if not is_voc(root):
        raise DataError(f"{file}: is no VOC annotation (it begins with <{root.tag}>); take it out of the folder, or export it as VOC.")
    image = ListedImage(name, str(file), _size(root))
    for place, node in enumerate(root.iter("object"), start=1):
        name = (node.findtext("name") or "").strip()
        where = f"object {place} ({name or 'without a name'})"
        corners = [finite(node.findtext(f"bndbox/{corner}")) for corner in CORNERS]
        if not name:
            image.faulty.append(f"{where} has no class")
            continue
        if None in corners:
            image.faulty.append(f"{where} has no four numbers in bndbox ({', '.join(CORNERS)})")
            continue
        x0, y0, x1, y1 = (float(corner or 0.0) for corner in corners)
        if x1 < x0 or y1 < y0:  # as written: counted from 1 an end one pixel before its begin would be no area
            image.faulty.append(f"{where} has its corners swapped")
        elif x0 == x1 or y0 == y1:  # a click; counted from 1 it would be a pixel
            image.faulty.append(f"{where} has no area")
        else:
            image.drawn.append(Drawn(name, (x0, y0, x1, y1), where))
    return image


def _size(root: Element) -> tuple[int, int] | None:
    return size_of(finite(root.findtext("size/width")), finite(root.findtext("size/height")))
