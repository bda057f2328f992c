"""Captions in JSON: COCO's, RSICD's (sentences in each image's record), a list of pairs, and file names with their captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelfree.data.captions.told import Gathering, Told
from labelfree.data.columns import NAMES
from labelfree.data.table_cells import sentence_in
from labelfree.errors import DataError

NAMED = tuple(dict.fromkeys(("file_name", "filename", "path", "image", "image_path", "img", "filepath", "file", *NAMES["path"])))
SAID = ("captions", "caption", "sentences", "text", "texts", "report", *NAMES["text"])


def is_coco_captions(content: Any) -> bool:
    """Whether what a JSON file holds is COCO's, with captions in place of objects."""
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        return False
    records = content.get("annotations")
    return isinstance(records, list) and any(isinstance(record, dict) and "caption" in record for record in records)


def read_caption_json(file: Path, content: Any) -> Told:
    """What a JSON file of captions says. Raises `DataError` where it is of no form that is read."""
    if is_coco_captions(content):
        return _coco(file, content)
    records = content.get("images", content.get("data")) if isinstance(content, dict) else content
    if isinstance(records, list) and _most(isinstance(record, dict) for record in records):
        return _records(file, records)
    if isinstance(content, dict) and _most(isinstance(said, str | list) for said in content.values()):
        gathering = Gathering("file names with their captions")
        for name, said in content.items():
            gathering.add(name, f"{file.name}: {name}", map(sentence_in, said) if isinstance(said, list) else [said])
        return gathering.told()
    raise DataError(
        f"{file}: holds no captions that are read; read are COCO's captions, records of images with their sentences (RSICD, Karpathy), "
        "and file names with their captions."
    )


def _most(fits: Iterable[bool]) -> bool:
    """Whether more than half fit, so that the others are faults of a form, and no other form."""
    told = list(fits)
    return 2 * sum(told) > len(told)


def _coco(file: Path, content: Mapping[str, Any]) -> Told:
    gathering = Gathering("COCO captions")
    images = [record for record in content["images"] if isinstance(record, dict)]
    numbered = Counter(record["id"] for record in images if isinstance(record.get("id"), int | str))
    names = dict[int | str, str]()
    for place, record in enumerate(images, start=1):
        number, name = record.get("id"), record.get("file_name")
        if not isinstance(name, str) or not name.strip():
            continue
        gathering.add(name, f"{file.name}: {name}", ())
        if not isinstance(number, int | str):
            gathering.faults.append(f"{file.name}: image at place {place} ({name}) has no id; give it one that its annotations name.")
        elif numbered[number] > 1:
            gathering.faults.append(f"{file.name}: image {name} shares its id {number} with another; their annotations are not read.")
        else:
            names[number] = name
    for place, record in enumerate(content["annotations"], start=1):
        where = f"{file.name}: annotation {record.get('id', f'at place {place}') if isinstance(record, dict) else f'at place {place}'}"
        number = record.get("image_id") if isinstance(record, dict) else None
        name = names.get(number) if isinstance(number, int | str) else None
        if name is None:
            gathering.faults.append(f"{where} belongs to no image that is listed with its file_name; remove it or list the image.")
        else:
            gathering.add(name, where, [record.get("caption")])
    return gathering.told()


def _records(file: Path, records: Sequence[Any]) -> Told:
    gathering = Gathering("records of images")
    for place, record in enumerate(records, start=1):
        name, said = (_first(record, NAMED), _first(record, SAID)) if isinstance(record, dict) else (None, None)
        if not isinstance(name, str) or not name.strip():
            gathering.faults.append(f"{file.name}: record {place} names no image (file_name, filename, image); add its file.")
        else:
            captions = [] if said is None else map(sentence_in, said) if isinstance(said, list) else [said]
            gathering.add(name, f"{file.name}: record {place} ({name})", captions)
    return gathering.told()


def _first(record: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((record[key] for key in keys if key in record), None)
