"""Which format a file or folder of labels is in: told by what it holds, never by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labelfree.data.label_formats.coco import is_coco, read_coco
from labelfree.data.label_formats.cvat import MOST_BYTES, is_cvat, read_cvat
from labelfree.data.label_formats.json_text import read_json_text
from labelfree.data.label_formats.label_studio import is_label_studio, is_short_form, read_label_studio
from labelfree.data.label_formats.labelme import is_labelme, read_labelme
from labelfree.data.label_formats.listed import Listing
from labelfree.data.label_formats.object_table import box_columns, read_object_table
from labelfree.data.label_formats.voc import is_voc, read_voc
from labelfree.data.label_formats.xml_text import read_xml
from labelfree.data.label_formats.yolo import holds_numbers, is_text_of_labels, is_yolo_yaml, names_file, read_yolo_folder, read_yolo_yaml
from labelfree.data.label_tables import EVERY, PARQUETS, TEXTS, parquet_columns, parquet_sheet, read_sheet
from labelfree.data.taken_rows import Where
from labelfree.errors import DataError

READ = (
    "read are COCO, Label Studio or LabelMe (.json), Pascal VOC or CVAT (.xml), YOLO (data.yaml, or a folder of .txt beside classes.txt), "
    "a table with one object a row, masks (a folder, or a table with path and mask), or a vector file of shapes with data.label_field"
)


STATISTICS = ".aux.xml"  # what programs that show images leave beside them


def listing_of(source: Path, root: Path, label: str | None = None, where: Where = EVERY) -> Listing | None:
    """What a file or folder of labels says; None where it is of no format with objects in it.

    `label`: the column of classes in a table, where its owner names it. `where`: of a table, column -> what must stand in it.
    Raises `DataError` where it is of one and broken, or mixes several.
    """
    if source.is_dir():
        return _folder(source)
    kind = source.suffix.lower()
    if kind == ".json":
        return _json(source, read_json_text(source))
    if kind == ".xml":
        return _xml(source, source.parent)
    if kind in (".yaml", ".yml"):
        content = _yaml(source)
        return read_yolo_yaml(source, content, root) if is_yolo_yaml(content) else None
    if kind in TEXTS:
        sheet = read_sheet(source)
        return read_object_table(source, sheet, label, where) if box_columns(sheet.header) else None
    if kind in PARQUETS and box_columns(parquet_columns(source)):
        return read_object_table(source, parquet_sheet(source), label, where)
    return None


def _xml(source: Path, folder: Path) -> Listing | None:
    tree = read_xml(source, MOST_BYTES)
    if is_cvat(tree):
        return read_cvat(source, tree)
    return read_voc([source], folder) if is_voc(tree) else None


def _json(source: Path, content: Any) -> Listing | None:
    if is_coco(content):
        return read_coco(source, content)
    if is_label_studio(content):
        return read_label_studio(source, content)
    if is_short_form(content):
        raise DataError(f"{source}: is Label Studio's short form (JSON-MIN), which does not tell which tasks were skipped; export JSON.")
    return read_labelme([source], source.parent) if is_labelme(content) else None


def _folder(folder: Path) -> Listing | None:
    """A folder with one file an image, or with one file for all of them."""
    files = sorted(path for path in folder.rglob("*") if not path.name.startswith(".") and path.is_file())
    jsons = [path for path in files if path.suffix.lower() == ".json"]
    xmls = [path for path in files if path.suffix.lower() == ".xml" and not path.name.lower().endswith(STATISTICS)]
    texts = [path for path in files if is_text_of_labels(path) and holds_numbers(path)]
    forms = [paths[0].suffix.lower() for paths in (jsons, xmls, texts) if paths]
    if len(forms) > 1:
        raise DataError(f"{folder}: holds labels of several kinds ({', '.join(forms)}); name the file or the folder of one.")
    if jsons:
        return _jsons(folder, jsons)
    if xmls:
        return _xmls(folder, xmls) if len(xmls) > 1 else _xml(xmls[0], folder)
    return _texts(folder) if texts else None


def _xmls(folder: Path, files: Sequence[Path]) -> Listing:
    """VOC's, of which a few may be broken: the first file that is XML tells."""
    first = next(((file, tree) for file in files if (tree := _or_none(read_xml, file, MOST_BYTES)) is not None), None)
    if first is not None and is_cvat(first[1]):
        raise DataError(
            f"{folder}: holds {len(files):,} XML files, and {first[0].name} is CVAT's, which keeps all images in one; name that file."
        )
    return read_voc(files, folder)


def _or_none(read: Callable[..., Any], *given: Any) -> Any:
    """What is read; None where that is broken."""
    try:
        return read(*given)
    except DataError:
        return None


def _jsons(folder: Path, files: Sequence[Path]) -> Listing | None:
    """LabelMe's where one of them is, of which a few may be broken; else one file of all images."""
    if any(is_labelme(_or_none(read_json_text, file)) for file in files):
        return read_labelme(files, folder)
    first = read_json_text(files[0])
    if len(files) > 1:
        raise DataError(f"{folder}: holds {len(files):,} JSON files, and {files[0].name} is not one of LabelMe's; name the file of labels.")
    return _json(files[0], first)


def _texts(folder: Path) -> Listing | None:
    """YOLO's, by the file that names the classes; None where there is none, as text files may be anything."""
    yamls = [(file, content) for file in sorted(folder.glob("*.y*ml")) if is_yolo_yaml(content := _yaml(file))]
    if len(yamls) > 1:
        raise DataError(f"{folder}: {yamls[0][0].name} and {yamls[1][0].name} both name classes; name the one that holds.")
    if yamls:
        return read_yolo_yaml(*yamls[0], folder)
    names = names_file(folder)
    return read_yolo_folder(folder, names) if names is not None else None


def _yaml(source: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(source.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{source}: is no YAML ({str(error).splitlines()[0]}); correct it.") from error
