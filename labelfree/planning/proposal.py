"""A folder of images looked at, and the recipe that follows from what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from labelfree.data.blocks import Blocks
from labelfree.data.copies import same_files
from labelfree.data.set_labels import SetLabels
from labelfree.data.space import gigabytes
from labelfree.data.windows import in_windows
from labelfree.domain import PART, Default, Domain, Flattens, LabelFields, Place, Row, extent_of, located
from labelfree.errors import DataError, LabelfreeError, RecipeError
from labelfree.planning.comparison_design import ComparisonDesign, design_comparison
from labelfree.planning.folder_settings import folder_data, other_tables, with_keys
from labelfree.planning.label_kinds import Labels, labels_of
from labelfree.planning.mirroring import proposed
from labelfree.planning.recipe_draft import drafted
from labelfree.planning.recognition import Field, field_of
from labelfree.planning.sampled_images import Seen, look_at, open_rows
from labelfree.planning.volumes import NARROW, Device, VolumePlan, plan_volumes
from labelfree.progress import Progress, Silent
from labelfree.recipe import Data, Recipe
from labelfree.recipe_file import Overrides, parse_recipe
from labelfree.training.files import write_text
from labelfree.transfer.tasks.registry import task_for, task_names

LONG = 2**26  # bytes to decode, from which on a person wants to see how far it is


@dataclass(frozen=True)
class Proposal:
    """What `labelfree plan` found, and the recipe it proposes: `text` with reasons in comments, `recipe` the same, checked."""

    found: tuple[str, ...]
    text: str
    recipe: Recipe

    def lines(self) -> Iterator[str]:
        """What was found, for a person to read."""
        yield from self.found

    def write(self, file: Path) -> Path:
        """Save `text` as a new file, whole or not at all. Raises `RecipeError` where there is one already."""
        unused(file)
        write_text(file, self.text)
        return file


def unused(file: Path) -> None:
    """Raises `RecipeError` where something is in the way of a new file."""
    if file.exists():
        raise RecipeError(f"{file}: exists already; name another file, or remove it.")


def propose(folder: Path, domain: str | None, labels: Path | None, fields: LabelFields, overrides: Overrides, say: Progress) -> Proposal:
    """Look at a folder and write a recipe for it. `fields`: of `labels`, where it is a vector file. `overrides`: of keys
    of `data` and `reader`, and `evaluate.task`.

    Raises `RecipeError` where the files do not tell their field and `domain` does not say it, and `DataError` where a recipe could not
    run: files missing, nothing left to pretrain on, scored images in the pool.
    """
    if labels is None and (fields.label or fields.date):
        raise RecipeError("--label-field, --date-field: name the vector file that has them with --labels.")
    data = folder_data(folder, labels).model_copy(update={"label_field": fields.label, "date_field": fields.date})
    start = with_keys(data, overrides, domain, say, also=["evaluate.task"])
    data = start.data
    field = field_of(data, start.reader, domain)
    field, seen = _looked(field, data, say)
    reader, flattening = start.reader, dict[str, Default]()
    looked: list[str] = []
    volumes: VolumePlan | None = None
    if seen.kind.dims != 2:
        volumes, flattening = _volumes(field, seen)
        looked = list(_volume_lines(field.domain, seen, volumes, flattening))
    if flattening:
        reader = {**reader, **{key: default.value for key, default in flattening.items()}}
        field, seen = _looked(replace(field_of(data, reader, field.domain.name), reason=field.reason), data, say)
    rows = field.manifest.rows
    marks = labels_of(field.manifest, seen.looks, field.domain)
    task = task_for(start.evaluate, rows).over(rows, SetLabels(field.manifest, field.domain, data.absent))
    copies = same_files([row for row in rows if row.window is None], say)
    places = located(field.domain, seen.places)
    try:
        asked = design_comparison(field.manifest, task, data, copies, places if len(seen.looks) == len(rows) else {})
    except LabelfreeError:
        for note in field.manifest.notes:  # what was left out of the labels may be why
            say.say(note)
        raise
    text = drafted(data, reader, field, seen, marks, asked, {key: default.reason for key, default in flattening.items()}, volumes)
    found = _found(data, field, seen, places, marks, copies, asked, looked)
    return Proposal(tuple(found), text, parse_recipe(text))


def _looked(field: Field, data: Data, say: Progress) -> tuple[Field, Seen]:
    """The field with large images in windows, and what a few of its images show. Raises `RecipeError` where they are no one set."""
    drawn: list[str] = []
    if field.manifest.mixed:
        raise RecipeError(field.manifest.mixed)
    rows = in_windows(field.manifest.rows, extent_of(field.domain), tell=drawn.append)
    field = replace(field, manifest=replace(field.manifest, rows=rows, notes=(*field.manifest.notes, *drawn)))
    to_open = open_rows(rows)
    if not to_open:
        raise DataError(f"{data.root}: every row is dev or test, so nothing may be looked at; mark some pretrain or train.")
    shown = say if _size(rows) / len(rows) * min(64, len(rows)) >= LONG else Silent()
    return field, look_at(to_open, field.domain.read, shown)


def _volumes(field: Field, seen: Seen) -> tuple[VolumePlan | None, dict[str, Default]]:
    """How volumes are learnt from as such; or None, and the keys of the reader that make pictures of them, with the reason.

    Raises `DataError` where they can be neither.
    """
    domain, spacings = field.domain, [look.spacing for look in seen.looks]
    planned = plan_volumes(seen.shapes, spacings, len(field.manifest.rows), NARROW, Device.here())
    lacking = _lacking(planned.network.name, seen.kind.dims)
    if not lacking and (planned.enough or not isinstance(domain, Flattens)):
        return planned, {}
    if isinstance(domain, Flattens):
        reason = lacking or planned.reason
        return None, {key: replace(default, reason=f"{default.reason}: {reason}") for key, default in domain.flattening.items()}
    raise DataError(
        f"{seen.looks[0].row.path}: {seen.kind.dims} spatial axes, and {lacking}, so no recipe can be proposed; write one that names a "
        "network of yours as backbone.name: module:factory (docs/extending.md)."
    )


def _lacking(name: str, dims: int) -> str:
    """Why a network of volumes cannot be had here; "" where it can."""
    from labelfree.backbones import build

    try:
        build(name, 1, dims=dims)
    except RecipeError:
        return f"no network for those can be made here ({name})"
    return ""


def _volume_lines(domain: Domain, seen: Seen, planned: VolumePlan | None, flattening: Mapping[str, Default]) -> Iterator[str]:
    """How volumes are read, and what was seen of them before they are read as pictures."""
    if planned is None:
        yield from (f"  {line}" for line in seen.lines({}))
    yield from (f"  reader.{key}={default.value}: {default.reason}" for key, default in flattening.items())
    if planned is not None:
        instead = [f"reader.{key}={default.value}" for key, default in domain.flattening.items()] if isinstance(domain, Flattens) else []
        other = f"; {', '.join(instead)} reads them as pictures" if instead else ""
        yield f"  learnt from as volumes: {planned.reason}{other}"


def _size(rows: Sequence[Row]) -> int:
    """Bytes of all that the images are made of."""
    return sum(map(_bytes, {path for row in rows for path in (row.files or (row.path,))}))


def _bytes(path: Path) -> int:
    """Of a file, or of all that a folder holds; nothing of what lies elsewhere."""
    return path.stat().st_size if path.is_file() else sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _found(
    data: Data,
    field: Field,
    seen: Seen,
    places: Mapping[str, Place],
    marks: Labels,
    copies: Sequence[Sequence[Row]],
    asked: ComparisonDesign,
    volumes: Sequence[str],
) -> Iterator[str]:
    """Everything that was found, in the order in which a person asks."""
    rows = field.manifest.rows
    images = {(row.path, row.key.partition(PART)[0]): row.path for row in rows}.values()
    endings = Counter(path.suffix.lower() or ("folders" if path.is_dir() else "no suffix") for path in images)
    listed = ", ".join(f"{n:,} {ending}" for ending, n in endings.most_common(5))
    yield f"{data.root}: {len(images):,} images ({listed}), {gigabytes(_size(rows))}"
    if windows := [row for row in rows if row.window]:
        yield f"  scenes: {len({row.path for row in windows}):,}, read as {len(windows):,} windows"
    yield f"  domain: {field.domain.name} ({field.reason})"
    yield from volumes
    for line in seen.lines(places):
        yield f"  {line}"
    yield from (f"  {note}" for note in field.domain.missing(seen.channels))
    yield from (f"  {line}" for line in _copied(copies))
    splits = Counter(row.split or "no split" for row in rows)
    yield f"  splits: {', '.join(f'{name} {n:,}' for name, n in sorted(splits.items()))}"
    groups = {row.group for row in rows if row.group}
    instead = _blocks(rows, seen, places) if not field.manifest.given_split else ""
    yield f"  groups: {f'{len(groups):,} named' if groups else f'none named{instead}'}"
    if marks.tasks and seen.places and len(seen.looks) < len(rows):
        yield "  images that show ground which is scored leave the pool when a run has read them all"
    yield from (f"  {fact}" for fact in marks.facts)
    first = asked.task.name if asked.roles.train else marks.tasks[0] if marks.tasks else "none, for there are no labels"
    others = [name for name in marks.tasks if name in task_names() and name != first]
    yield f"  task: {first}" + (f" (evaluate.task={others[0]} asks the other that these labels are good for)" if others else "")
    if (mirror := proposed(field.domain, asked)) is not None and not mirror.value:
        yield f"  views are not mirrored left to right: {mirror.reason} (pretrain.mirror)"
    yield from (f"  {table.name} is not read; give it with --labels if it holds the labels" for table in other_tables(data))
    yield from (f"  {note}" for note in (*field.manifest.notes, *asked.roles.notes))
    yield from (f"  {sentence}" for sentence in (*field.manifest.faults.values(), *field.manifest.aside))


def _blocks(rows: Sequence[Row], seen: Seen, places: Mapping[str, Place]) -> str:
    """What stands in for groups, and how large it is where only a run, which reads all images, can say it exactly."""
    if len(places) < len(seen.looks):
        return ""
    if len(seen.looks) == len(rows):
        return "; blocks on the ground stand in"
    some = [places[look.row.id] for look in seen.looks if look.row.label is not None] or list(places.values())
    return f"; blocks of {Blocks.over(some)} on the ground stand in, smaller ones where these would leave a class in one"


def _copied(copies: Sequence[Sequence[Row]]) -> Iterator[str]:
    """Duplicates, and those that do not agree."""
    if not copies:
        yield "duplicates: none, byte for byte"
        return
    extra = sum(len(rows) - 1 for rows in copies)
    are = "files are copies" if extra > 1 else "file is a copy"
    yield f"duplicates: {extra:,} {are} of another, e.g. {copies[0][1].id} of {copies[0][0].id}"
    apart = [rows for rows in copies if len({row.split for row in rows}) > 1]
    if apart:
        first, other = apart[0][0], next(row for row in apart[0] if row.split != apart[0][0].split)
        yield f"  {len(apart):,} across splits, e.g. {other.id} ({other.split or 'no split'}) and {first.id} ({first.split or 'no split'})"
    torn = [rows for rows in copies if len({row.label for row in rows} - {None}) > 1]
    if torn:
        yield f"  {len(torn):,} with different labels, e.g. {torn[0][0].id}"
