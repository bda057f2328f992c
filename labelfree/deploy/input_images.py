"""The images that are predicted: files, folders and tables of them, read as the head's images were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelfree.data.label_tables import PARQUETS, TEXTS, open_table
from labelfree.data.named_images import NamedImages
from labelfree.data.paths import Finder, rows_of_records, same_file
from labelfree.deploy.head_card import HeadCard
from labelfree.domain import Domain, ListsImages, ReadsRemote, Row
from labelfree.errors import DataError
from labelfree.planning.recognition import field_of
from labelfree.planning.survey import changed
from labelfree.reader_settings import domain_with
from labelfree.recipe import Data, Recipe
from labelfree.recipe_file import Overrides

TABLES = {*TEXTS, *PARQUETS} - {""}


@dataclass(frozen=True)
class InputImages:
    """`rows`: one an image, its id is what predictions call it: relative to the folder or the table where that is all there is, else as it
    was given. `lenient`: images that cannot be read are left out.
    """

    domain: Domain
    rows: list[Row]
    lenient: bool


def input_images(given: Sequence[str | Path], card: HeadCard, overrides: Overrides, out: Path, tell: Any) -> InputImages:
    """What `given` names: images, folders of them, tables with a column of paths. `overrides`: keys of `data` and `reader`; what they leave
    open is read as the head's images were. `out`: what lies there is no image.

    Raises DataError for what is not there, and where there is no image.
    """
    recipe = changed(Data(), overrides, card.images.domain, tell)
    reader = {**card.images.reader, **{key: value for key, value in recipe.reader.items() if value is not None}}
    domain = domain_with(card.images.domain, reader)
    rows = [row for each in given for row in _rows(each, domain, recipe, reader, alone=len(given) == 1)]
    inside = out.resolve()
    rows = [row for row in rows if row.remote or not Path(same_file(row.path)).is_relative_to(inside)]
    if not rows:
        raise DataError(f"{', '.join(map(str, given))}: holds no image.")
    return InputImages(domain, _once(rows), recipe.data.on_error == "skip")


def _rows(given: str | Path, domain: Domain, recipe: Recipe, reader: Mapping[str, Any], alone: bool) -> Iterable[Row]:
    path = Path(given)
    if isinstance(domain, ReadsRemote) and domain.remote(str(given)):
        return [Row(str(given), path, remote=str(given))]
    if not path.exists():
        raise DataError(f"{path}: no such image, folder or table.")
    if path.is_dir():
        data = recipe.data.model_copy(update={"root": path.absolute()})
        manifest = field_of(data, reader, recipe.domain).manifest
        manifest.require_usable(data.on_error)
        rows: Iterable[Row] = manifest.rows
    elif path.suffix.lower() in TABLES:
        named = NamedImages(domain.contents(path.parent), path.parent) if isinstance(domain, ListsImages) else None
        finder = Finder(path, path.parent, lambda: domain.files(path.parent), named)
        rows = rows_of_records(open_table(path, finder.holds).records, finder, domain, inside=False)[0]
    else:
        return [Row(path.name if alone else path.as_posix(), path)]
    base = path if path.is_dir() else path.parent
    return rows if alone else [replace(row, id=(base / row.id).as_posix()) for row in rows]


def _once(rows: Sequence[Row]) -> list[Row]:
    """Each image once, whoever names it again."""
    return list({row.id: row for row in rows}.values())
