"""What may leave the house: a run without the names of people, machines, folders and files (docs/protocol.md, 19)."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.data.our_folders import TAKEN_FROM, private_of
from labelfree.errors import DataError
from labelfree.installed_domains import identifying_forms
from labelfree.reporting.anonymise import Anonymiser, dataset_salt
from labelfree.reporting.files import RunFiles
from labelfree.training.files import whole_file, write_json, write_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Anonymiser", "conceal", "dataset_salt", "share_copy"]

WEIGHTS = ("backbone.safetensors", "backbone.text.safetensors", "backbones/*.safetensors", "heads/*.safetensors")
TABLES = ("results.csv", "metrics.csv", "splits.csv", "budgets.csv")
DOCUMENTS = (
    "environment.json", "classes.json", "claims.json", "leaks.json", "fingerprint.json", "plan.json", "notes.json", "card.json",
    "confusion.json", "precision_recall.json", "reliability.json", "evaluation.json", "networks.json", "task.json", "state.json",
    "recommended.json", "roc.json", "chance.json", "backbone.json", "named.json", "prompted.json",
    "backbones/*.json",
)  # fmt: skip
TEXTS = ("heads/*.md",)
PICTURES = ("neighbours.json", "pictures/*", "pictures/*/*")


def share_copy(folder: Path, destination: Path) -> Path:
    """Copy of the run `folder` that holds only what may leave; returns the path of its report.html.

    Rows and groups get salted names, paths and names of users and machines go, `private/`, logs, checkpoints and (unless `report.images`
    is true, or the images are generated) source pictures stay. Raises `DataError` when `destination` holds anything already, and
    `RecipeError` where the run's domain is not installed: it knows by what forms images of its field tell who somebody is.
    """
    from labelfree.reporting.html import pictures_allowed, write_report

    run, anonymiser = RunFiles(folder), Anonymiser.of(folder)
    identifying_forms(str(run.setting("domain")))
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise DataError(f"{destination}: holds something already; name a new or empty folder to share into.")
    for path in _leaving(folder, pictures=pictures_allowed(run, shared=True)):
        target = destination / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        _rewrite(path, target, anonymiser)
    return write_report(destination, share=True)


def conceal(folder: Path) -> None:
    """Hide the names in a finished run, in place (`report.share: true`): outside private/ it is what `share_copy` would have made of it.

    All that may not leave moves into private/, under the path it had: logs, checkpoints, cells and source pictures
    as in `share_copy`. There ids.csv tells the owner what stands for what. Doing it twice changes nothing.
    """
    from labelfree.reporting.html import pictures_allowed, write_report

    run, anonymiser = RunFiles(folder), Anonymiser.of(folder)
    private = private_of(folder)
    private.mkdir(exist_ok=True)
    if names := anonymiser.table():
        with whole_file(private / "ids.csv") as part, part.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("id", "shown"), *names])
    if (source := run.taken_from) is not None and Path(source).is_dir():  # who scores these networks asks what they were pretrained on
        write_text(private / TAKEN_FROM, source)
    leaving = _leaving(folder, pictures=pictures_allowed(run, shared=True))
    _put_away(folder, {*leaving, folder / "report.html"})
    # Last what says which names there are: a run that was stopped here can then be concealed again.
    for path in sorted(leaving, key=lambda path: (path.name == "recipe.yaml", path.name == "splits.csv")):
        with whole_file(path) as part:
            _rewrite(path, part, anonymiser)
    write_report(folder, share=True)


def _put_away(folder: Path, kept: set[Path]) -> None:
    """Move every file but the kept ones into private/; folders that are empty then go."""
    for path in sorted(folder.rglob("*"), reverse=True):  # inner ones first
        if path.relative_to(folder).parts[0] == "private":
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            target = private_of(folder) / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def _leaving(folder: Path, pictures: bool) -> list[Path]:
    patterns = ("recipe.yaml", "predictions.parquet", *TABLES, *DOCUMENTS, *TEXTS, *WEIGHTS, *(PICTURES if pictures else ()))
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})


def _rewrite(path: Path, target: Path, anonymiser: Anonymiser) -> None:
    """One file with every name hidden; what it holds besides stays as it is. `target` may be a temporary name."""
    _WRITERS.get(path.suffix, _copy)(path, target, anonymiser)


def _copy(path: Path, target: Path, anonymiser: Anonymiser) -> None:
    shutil.copyfile(path, target)


def _json(path: Path, target: Path, anonymiser: Anonymiser) -> None:
    write_json(target, anonymiser.value(json.loads(path.read_text(encoding="utf-8"))))


def _yaml(path: Path, target: Path, anonymiser: Anonymiser) -> None:
    write_text(target, anonymiser.recipe(path.read_text(encoding="utf-8")))


def _text(path: Path, target: Path, anonymiser: Anonymiser) -> None:
    write_text(target, anonymiser.text(path.read_text(encoding="utf-8")))


def _csv(path: Path, target: Path, anonymiser: Anonymiser) -> None:
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream)) or [[]]
    hide = [_column(name, anonymiser) for name in header]
    with target.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows(
            [header, *([f(cell) for f, cell in zip(hide, row, strict=False)] for row in rows)]
        )


def _column(name: str, anonymiser: Anonymiser) -> Callable[[str], str]:
    ways: dict[str, Callable[[str], str]] = {
        "path": anonymiser.row,
        "row_id": anonymiser.row,
        "group": anonymiser.group,
        "run": anonymiser.text,
        "dataset": anonymiser.name,
    }
    return ways.get(name, str)


def _parquet(path: Path, target: Path, anonymiser: Anonymiser) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    for place, field in enumerate(table.schema):
        hide = _column(field.name, anonymiser)
        if hide is not str:
            table = table.set_column(place, field, _mapped(table.column(place), hide).cast(field.type))
    pq.write_table(table, target, compression="zstd")


def _mapped(column: pa.ChunkedArray, hide: Callable[[str], str]) -> pa.Array:
    """Every different value is hidden once; missing ones stay missing."""
    import pyarrow as pa

    coded = column.combine_chunks()
    coded = coded if pa.types.is_dictionary(coded.type) else coded.dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    shown = pa.array([None if value is None else hide(value) for value in coded.dictionary.to_pylist()], pa.string())
    return shown.take(coded.indices)


def _safetensors(path: Path, target: Path, anonymiser: Anonymiser) -> None:
    """The tensors as they are; what the header says in words is hidden. A file is the header's length, the header (JSON), the tensors."""
    with path.open("rb") as source, target.open("wb") as hidden:
        header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
        if told := header.get("__metadata__"):
            header["__metadata__"] = {key: _words(value, anonymiser) for key, value in told.items()}
        written = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        written += b" " * (-len(written) % 8)  # tensors begin at whole eights
        hidden.write(len(written).to_bytes(8, "little") + written)
        shutil.copyfileobj(source, hidden)


def _words(text: str, anonymiser: Anonymiser) -> str:
    """A text, or JSON as a text, with every name in it hidden."""
    try:
        value = json.loads(text)
    except ValueError:
        return anonymiser.text(text)
    return json.dumps(anonymiser.value(value), ensure_ascii=False)


def _png(path: Path, target: Path, anonymiser: Anonymiser) -> None:
    """Pixels alone: a fresh picture carries no text of the old one."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as picture:
        Image.fromarray(np.asarray(picture.convert("RGB"))).save(target, "png")


_WRITERS: dict[str, Callable[[Path, Path, Anonymiser], None]] = {
    ".json": _json,
    ".yaml": _yaml,
    ".csv": _csv,
    ".md": _text,
    ".parquet": _parquet,
    ".png": _png,
    ".safetensors": _safetensors,
}
