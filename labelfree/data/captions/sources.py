"""Which form a source of captions is in: told by what it holds, never by its name; and the images that come along with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labelfree.data.captions.json_files import read_caption_json
from labelfree.data.captions.shards import SEVERAL, shards_in
from labelfree.data.captions.told import CaptionedImage, Gathering, Told
from labelfree.data.columns import called
from labelfree.data.label_formats.json_text import read_json_text
from labelfree.data.label_tables import PARQUETS, TEXTS, cells_of
from labelfree.data.table_cells import caption_parts
from labelfree.errors import DataError

READ = (
    "read are a CSV or Parquet table with `path` and `text` (or open_clip's filepath and title), a JSON of captions, a folder of reports "
    "that are called as their images are (x.txt beside x.png), and webdataset's tars"
)
REPORT = ".txt"


def captions_of(source: Path, tars: bool = False) -> Told:
    """What a file or folder of captions says. `tars`: the folder is what they were unpacked into.

    Raises `DataError` naming it, and the row where one is at fault.
    """
    if not source.exists():
        raise DataError(f"data.captions: {source} does not exist.")
    if source.is_dir():
        return _reports(source, read_json_text(source / SEVERAL) if tars else {})
    kind = source.suffix.lower()
    if kind == ".json":
        return read_caption_json(source, read_json_text(source))
    if kind in TEXTS | PARQUETS:
        return _table(source)
    raise DataError(f"data.captions: {source} is of no kind that is read; {READ}.")


def _table(source: Path) -> Told:
    """Its columns of paths and texts; others, and what is wrong in them, play no part. No cell is quoted."""
    gathering = Gathering("a table")
    header, rows = cells_of(source, gathering.faults)
    path, text = (called(word, header, [cells for _, cells in rows]) for word in ("path", "text"))
    if not path:
        raise DataError(f"data.captions: {source} has no column that is called `path`; its first line says what each holds: path,text.")
    if not text:
        raise DataError(f"data.captions: {source} has no captions; call the column that holds them `text`.")
    for number, cells in rows:
        name, said = (cells[at] if at < len(cells) else None for at in (path[0], text[0]))
        if name:
            gathering.add(name, f"{source.name} row {number}", caption_parts(said or ""))
        elif any(cells):
            gathering.faults.append(f"{source.name} row {number}: no path; write one, or remove the row.")
    told = gathering.told()
    if not any(image.captions for image in told.images):
        raise DataError(
            told.faults[0] if told.faults else f"data.captions: {source} has no captions; its column `{header[text[0]]}` is empty."
        )
    return told


def _reports(folder: Path, several: Mapping[str, list[str]]) -> Told:
    """A text a file, called as its image is: all of it is one caption, but for those `several` that a tar's record told apart."""
    texts = (path for path in folder.rglob("*") if path.suffix.lower() == REPORT and not path.name.startswith("."))
    files = sorted(path for path in texts if path.is_file())
    if not files:
        way = "unpack its tars with the package webdataset" if shards_in(folder) else READ
        raise DataError(f"data.captions: {folder} holds no text files; {way}.")
    told = Told("reports beside images", [], spare=True)
    for file in files:
        name = file.relative_to(folder).as_posix()
        try:
            text = file.read_bytes().decode("utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            told.faults.append(f"{file}: is no text in UTF-8 ({type(error).__name__}); save it as UTF-8.")
            continue
        told.empty += not text
        told.images.append(CaptionedImage(name, str(file), captions=tuple(several.get(name, [text] if text else ()))))
    return told
