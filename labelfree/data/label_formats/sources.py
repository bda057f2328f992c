"""Which format a file or folder of labels is in: told by what it holds, never by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from labelfree.data.captions.json_files import is_coco_captions
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
from labelfree.data.label_tables import PARQUETS, TEXTS, parquet_columns, parquet_sheet, read_sheet
from labelfree.data.taken_rows import EVERY, Where
from labelfree.errors import DataError

READ = (
    "read are COCO, Label Studio or LabelMe (.json), Pascal VOC or CVAT (.xml), YOLO (data.yaml, or a folder of .txt beside classes.txt), "
    "a table with one object a row, masks (a folder, or a table with path and mask), or a vector file of shapes with data.label_field"
)

STATISTICS = ".aux.xml"  # what programs that show images leave beside them


class Form(NamedTuple):
    """A format of labels: whether what a file `holds` is in it, and what `read` makes of the file, its content, the folder that images are
    named from, and the data root. `each`: a file is of one image. `key`: of the recipe, that names such a file where it is no labels.
    """

    name: str
    holds: Callable[[Any], bool]
    read: Callable[[Path, Any, Path, Path], Listing]
    each: bool = False
    key: str = ""


def _refuse_short_form(file: Path, *_: Any) -> Listing:
    raise DataError(f"{file}: is Label Studio's short form (JSON-MIN), which does not tell which tasks were skipped; export JSON.")


def _refuse_captions(file: Path, *_: Any) -> Listing:
    raise DataError(f"{file}: holds captions and no objects; name it with data.captions.")


YOLO = Form("YOLO", is_yolo_yaml, lambda file, content, folder, root: read_yolo_yaml(file, content, root))
FORMS = {  # how a file's name ends -> the formats that may be in it
    ".json": (
        Form("COCO captions", is_coco_captions, _refuse_captions, key="data.captions"),
        Form("COCO", is_coco, lambda file, content, *_: read_coco(file, content)),
        Form("Label Studio", is_label_studio, lambda file, content, *_: read_label_studio(file, content)),
        Form("Label Studio", is_short_form, _refuse_short_form),
        Form("LabelMe", is_labelme, lambda file, content, folder, root: read_labelme([file], folder), each=True),
    ),
    ".xml": (
        Form("CVAT", is_cvat, lambda file, tree, *_: read_cvat(file, tree)),
        Form("Pascal VOC", is_voc, lambda file, tree, folder, root: read_voc([file], folder), each=True),
    ),
    ".yaml": (YOLO,),
    ".yml": (YOLO,),
}


def listing_of(source: Path, root: Path, label: str | None = None, where: Where = EVERY) -> Listing | None:
    """What a file or folder of labels says; None where it is of no format with objects in it.

    `label`: the column of classes in a table, where its owner names it. `where`: of a table, column -> what must stand in it.
    Raises `DataError` where it is of one and broken, or mixes several.
    """
    if source.is_dir():
        return _folder(source)
    kind = source.suffix.lower()
    if kind in FORMS:
        return _file(source, source.parent, root)
    if kind in TEXTS:
        sheet = read_sheet(source)
        return read_object_table(source, sheet, label, where) if box_columns(sheet.header) else None
    if kind in PARQUETS and box_columns(parquet_columns(source)):
        return read_object_table(source, parquet_sheet(source), label, where)
    return None


def form_of(source: Path) -> Form | None:
    """The format of a file, or of a folder of YOLO's texts beside the names of their classes; None where it is of none, or broken."""
    if source.is_dir():
        texts = (path for path in sorted(source.iterdir()) if is_text_of_labels(path))
        first = next(texts, None)
        return YOLO if first is not None and holds_numbers(first) and names_file(source) is not None else None
    content = _or_none(_content, source)
    return None if content is None else _form(source, content)


def _content(source: Path) -> Any:
    """What a file of `FORMS` holds. Raises `DataError` where it is broken."""
    kind = source.suffix.lower()
    return read_json_text(source) if kind == ".json" else read_xml(source, MOST_BYTES) if kind == ".xml" else _yaml(source)


def _form(source: Path, content: Any) -> Form | None:
    return next((form for form in FORMS[source.suffix.lower()] if form.holds(content)), None)


def _file(source: Path, folder: Path, root: Path) -> Listing | None:
    content = _content(source)
    form = _form(source, content)
    return None if form is None else form.read(source, content, folder, root)


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
        return _xmls(folder, xmls) if len(xmls) > 1 else _file(xmls[0], folder, folder)
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
    if len(files) > 1:
        read_json_text(files[0])  # which may be broken
        raise DataError(f"{folder}: holds {len(files):,} JSON files, and {files[0].name} is not one of LabelMe's; name the file of labels.")
    return _file(files[0], files[0].parent, folder)


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
