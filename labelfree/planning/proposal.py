"""A folder of images looked at, and the recipe that follows from what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from labelfree.data.blocks import Blocks
from labelfree.data.copies import same_files
from labelfree.data.manifest import Manifest
from labelfree.data.normal import only_normal
from labelfree.data.object_sizes import ObjectSizes, object_sizes
from labelfree.data.set_labels import SetLabels
from labelfree.data.space import gigabytes
from labelfree.data.structure import ending_of
from labelfree.data.tiles import auto_tile, by
from labelfree.data.windows import in_windows
from labelfree.domain import PART, Default, LabelFields, Place, Row, Size, extent_of, located, sides
from labelfree.errors import DataError, LabelfreeError, RecipeError
from labelfree.planning.comparison_design import ComparisonDesign, design_comparison
from labelfree.planning.folder_settings import folder_data, with_keys
from labelfree.planning.grouping import KEY, WHY, mixed_groups, offers_groups
from labelfree.planning.label_kinds import Labels, labels_of
from labelfree.planning.mirroring import proposed
from labelfree.planning.recipe_draft import drafted
from labelfree.planning.recognition import Field, field_of
from labelfree.planning.sampled_images import Looks, Seen, look_at, open_rows
from labelfree.planning.small_objects import largest_input, lost_in_pretraining, squeezed, tile_for, tile_for_classes, view_of
from labelfree.planning.suggested_keys import Keys, for_objects, read_otherwise, uniting
from labelfree.planning.unread_labels import unread_labels
from labelfree.planning.volumes_or_slices import as_volumes, volumes_or_slices
from labelfree.progress import Progress, Silent
from labelfree.recipe import Data, Evaluate, Recipe
from labelfree.recipe_file import Overrides, parse_recipe
from labelfree.training.files import write_text
from labelfree.transfer.tasks import Task
from labelfree.transfer.tasks.registry import find_task, task_for, task_names

ANOMALY = "anomaly"  # the task that needs nothing but normal images
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
    data, alone = start.data, list[str]()
    field = field_of(data, start.reader, domain)
    if offers_groups(field, data, overrides):
        together = data.model_copy(update={"group_folders": True})
        grouped = replace(field_of(together, start.reader, field.domain.name), reason=field.reason)
        try:
            if not (why := mixed_groups(grouped.manifest.rows)):
                return _proposed(together, start, grouped, {KEY: WHY}, say)
        except LabelfreeError as error:
            why = str(error)
        alone.append(f"  {KEY}=true is not proposed: {why}")
    return _proposed(data, start, field, {}, say, alone)


def _proposed(data: Data, start: Recipe, field: Field, why: Mapping[str, str], say: Progress, noticed: Sequence[str] = ()) -> Proposal:
    """The proposal for `data` as `field` reads it. `why`: reasons of keys of `data`. `noticed`: sentences on what was tried before."""
    field, looks = _looked(field, data, say)
    reader, because, before = dict(start.reader), dict(why), list(noticed)

    def keep(keys: Keys) -> None:
        because.update({key: default.reason for key, default in keys.items()})
        reader.update({key: default.value for key, default in keys.items()})

    def read_again(keys: Keys) -> tuple[Field, Looks]:
        before.extend(read_otherwise(looks, keys, field.domain.name))
        keep(keys)
        return _looked(replace(field_of(data, reader, field.domain.name), reason=field.reason), data, say)

    keep(field.settled)
    if keys := uniting(field.domain, looks, reader):
        field, looks = read_again(keys)
    volumes, keys = volumes_or_slices(field, looks)
    if keys:
        field, looks = read_again(keys)
    before += [] if volumes is None else [as_volumes(field.domain, volumes)]
    seen = looks.judged()
    marks = labels_of(field.manifest, seen.looks, field.domain)
    task = _task(start.evaluate, field.manifest.rows)
    field = replace(field, manifest=task.reading(SetLabels(field.manifest, field.domain, data.absent)))
    rows = field.manifest.rows
    task = task.over(rows, SetLabels(field.manifest, field.domain, data.absent)).counting(rows)
    copies = same_files([row for row in rows if row.window is None], say)
    places = located(field.domain, seen.places)
    try:
        asked = design_comparison(field.manifest, task, data, copies, places if len(seen.looks) == len(rows) else {})
    except LabelfreeError:
        for note in field.manifest.notes:  # what was left out of the labels may be why
            say.say(note)
        raise
    if start.evaluate.task != "auto" and not asked.roles.train and (nothing := task.unlearnable(rows)):
        for told in unread_labels(data, rows):
            say.say(f"{told}.")
        raise DataError(f"evaluate.task={task.name}: {nothing}")
    objects = object_sizes(open_rows(rows), SetLabels(field.manifest, field.domain, data.absent))
    keep(for_objects(field.domain, objects, reader))
    tile = auto_tile(seen.shapes, [look.spacing for look in seen.looks])
    suited = tile_for(objects, seen.shapes, tile)
    whole = bool(asked.roles.train) and not any(asked.task.protocol(name).on_tiles for name in asked.task.protocols)
    looked_in = tile_for_classes(objects, seen.shapes, suited) if whole else None
    large = squeezed(seen.shapes, largest_input(seen.shapes)) if whole and not len(objects) else None
    text = drafted(data, reader, field, seen, marks, asked, because, volumes, suited, looked_in, large)
    of_objects = [*_objects(objects, seen, tile, suited, looked_in), *([] if large is None else [large])]
    found = _found(data, field, seen, places, replace(marks, facts=(*marks.facts, *of_objects)), copies, asked, before)
    return Proposal(tuple(found), text, parse_recipe(text))


def _task(asked: Evaluate, rows: Sequence[Row]) -> Task:
    """The task that labels ask for; where nothing but normal images can be learnt from, that of telling others from them."""
    if asked.task == "auto" and only_normal(rows) and ANOMALY in task_names():
        return find_task(ANOMALY)
    return task_for(asked, rows)


def _objects(objects: ObjectSizes, seen: Seen, tile: Size | None, suited: Default | None, looked_in: Default | None) -> Iterator[str]:
    """The smallest labelled object, the tiles that suit it, and what of the recipe shrinks it until it may be lost. `looked_in`: the tiles
    that classes are compared in.
    """
    if not len(objects) or any(len(shape) != 2 for shape in seen.shapes):
        return
    cut: Size | None = tile if suited is None else suited.value
    tiles = "" if cut is None else f"; images are cut into tiles of {by(cut)} px at their own resolution"
    yield f"smallest labelled object: {objects.smallest}{tiles}"
    side = min(map(min, seen.shapes)) if cut is None else min(sides(cut, 2))
    if (warning := lost_in_pretraining(objects, view_of(side), cut)) is not None:
        yield f"  {warning}"
    if looked_in is not None:
        yield f"  classes are compared in tiles of {looked_in.value} px (evaluate.tile): {looked_in.reason}"


def _looked(field: Field, data: Data, say: Progress) -> tuple[Field, Looks]:
    """The field with large images in windows, and what came of a look at a few of its images. Raises `RecipeError` where they are mixed."""
    drawn: list[str] = []
    if field.manifest.mixed:
        raise RecipeError(field.manifest.mixed)
    rows = in_windows(field.manifest.rows, extent_of(field.domain), tell=drawn.append)
    field = replace(field, manifest=replace(field.manifest, rows=rows, notes=(*field.manifest.notes, *drawn)))
    to_open = open_rows(rows)
    if not to_open:
        raise DataError(f"{data.root}: every row is dev or test, so nothing may be looked at; mark some pretrain or train.")
    shown = say if _size(rows) / len(rows) * min(64, len(rows)) >= LONG else Silent()
    return field, look_at(to_open, field.domain, shown)


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
    before: Sequence[str],
) -> Iterator[str]:
    """Everything that was found, in the order in which a person asks. `before`: as files were read before keys were suggested."""
    rows = field.manifest.rows
    images = {(row.path, row.key.partition(PART)[0]): row.path for row in rows}.values()
    endings = Counter(ending_of(path.name) or ("folders" if path.is_dir() else "no suffix") for path in images)
    listed = ", ".join(f"{n:,} {ending}" for ending, n in endings.most_common(5))
    yield f"{data.root}: {len(images):,} images ({listed}), {gigabytes(_size(rows))}"
    if windows := [row for row in rows if row.window]:
        yield f"  scenes: {len({row.path for row in windows}):,}, read as {len(windows):,} windows"
    yield f"  domain: {field.domain.name} ({field.reason})"
    yield from before
    for line in seen.lines(places, field.domain.name):
        yield f"  {line}"
    yield from (f"  {note}" for note in field.domain.missing(seen.channels))
    yield from (f"  {line}" for line in _copied(copies))
    splits = Counter(row.split or "no split" for row in rows)
    yield f"  splits: {', '.join(f'{name} {n:,}' for name, n in sorted(splits.items()))}"
    groups = {row.group for row in rows if row.group}
    instead = _blocks(rows, seen, places) if not field.manifest.given_split else ""
    yield f"  groups: {f'{len(groups):,} named' if groups else f'none named{instead or _folders(field.manifest)}'}"
    if marks.tasks and seen.places and len(seen.looks) < len(rows):
        yield "  images that show ground which is scored leave the pool when a run has read them all"
    yield from (f"  {fact}" for fact in marks.facts)
    first = asked.task.name if asked.roles.train else marks.tasks[0] if marks.tasks else "none, for there are no labels"
    others = [name for name in marks.tasks if name in task_names() and name != first]
    yield f"  task: {first}" + (f" ({marks.asking(others[0])} asks the other that these labels are good for)" if others else "")
    if (mirror := proposed(field.domain, asked)) is not None and not mirror.value:
        yield f"  views are not mirrored left to right: {mirror.reason} (pretrain.mirror)"
    yield from (f"  {sentence}" for sentence in unread_labels(data, rows))
    yield from (f"  {note}" for note in (*field.manifest.notes, *asked.roles.notes))
    yield from (f"  {sentence}" for sentence in (*field.manifest.faults.values(), *field.manifest.aside))


def _folders(manifest: Manifest) -> str:
    """That folders could be groups, where each image lies in one of several that name no classes."""
    folders = {row.id.rpartition("/")[0] for row in manifest.rows}
    if manifest.given_split or manifest.class_folders or "" in folders or not 1 < len(folders) < len(manifest.rows):
        return ""
    return f"; where each of the {len(folders):,} folders holds what belongs together (a lot, a patient), data.group_folders=true says so"


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
