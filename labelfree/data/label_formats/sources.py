"""Which format a file or folder of labels is in: told by what it holds, never by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelfree.data.label_formats.coco import is_coco, read_coco
from labelfree.data.label_formats.cvat import MOST_BYTES, is_cvat, read_cvat
from labelfree.data.label_formats.json_text import read_json_text
from labelfree.data.label_formats.label_studio import is_label_studio, read_label_studio
from labelfree.data.label_formats.labelme import is_labelme, read_labelme
from labelfree.data.label_formats.listed import Listing
from labelfree.data.label_formats.object_table import box_columns, read_object_table
from labelfree.data.label_formats.voc import is_voc, read_voc
from labelfree.data.label_formats.xml_text import read_xml
from labelfree.data.label_formats.yolo import is_yolo_yaml, names_file, read_yolo_folder, read_yolo_yaml
from labelfree.data.label_tables import TEXTS, read_sheet
from labelfree.errors import DataError

READ = (
    "COCO, Label Studio or LabelMe (.json), Pascal VOC or CVAT (.xml), YOLO (data.yaml, or a folder of .txt beside classes.txt), "
    "or a table with one object a row"
)


def listing_of(source: Path, root: Path) -> Listing | None:
    """What a file or folder of labels says; None where it is of no format with objects in it.

    Raises `DataError` where it is of one and broken, or mixes several.
    """
    if source.is_dir():
        return _folder(source)
    kind = source.suffix.lower()
    if kind == ".json":
        return _json(source)
    if kind == ".xml":
        tree = read_xml(source, MOST_BYTES)
        if is_cvat(tree):
            return read_cvat(source, tree)
        return read_voc([source], source.parent) if is_voc(tree) else None
    if kind in (".yaml", ".yml"):
        content = _yaml(source)
        return read_yolo_yaml(source, content, root) if is_yolo_yaml(content) else None
    if kind in TEXTS:
        sheet = read_sheet(source)
        return read_object_table(source, sheet) if box_columns(sheet.header) else None
    return None


def _json(source: Path) -> Listing | None:
    content = read_json_text(source)
    if is_coco(content):
        return read_coco(source, content)
    if is_label_studio(content):
        return read_label_studio(source, content)
    return read_labelme([source], source.parent) if is_labelme(content) else None


def _folder(folder: Path) -> Listing | None:
    """A folder with one file an image, or with one file for all of them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    by_kind = {kind: [path for path in files if path.suffix.lower() == kind] for kind in (".json", ".xml", ".txt")}
    forms = [kind for kind, paths in by_kind.items() if paths]
    if len(forms) > 1:
        raise DataError(f"{folder}: holds labels of several kinds ({', '.join(forms)}); name the file or the folder of one.")
    if by_kind[".json"]:
        return _jsons(folder, by_kind[".json"])
    if by_kind[".xml"]:
        if len(by_kind[".xml"]) == 1:
            return listing_of(by_kind[".xml"][0], folder)
        return read_voc(by_kind[".xml"], folder)
    names = names_file(folder)
    return read_yolo_folder(folder, names) if by_kind[".txt"] and names is not None else None


def _jsons(folder: Path, files: Sequence[Path]) -> Listing | None:
    if len(files) == 1:
        return _one_json(files[0], folder)
    return read_labelme(files, folder)


def _one_json(file: Path, folder: Path) -> Listing | None:
    content = read_json_text(file)
    return read_labelme([file], folder) if is_labelme(content) else _json(file)


def _yaml(source: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(source.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{source}: is no YAML ({str(error).splitlines()[0]}); correct it.") from error
