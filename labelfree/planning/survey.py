"""What a data set holds, before anything is trained: counted from its manifest, or checked file by file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from labelfree.data.cards import card_names, find_card
from labelfree.data.faults import find_faults
from labelfree.data.manifest import Manifest, with_questions_beside
from labelfree.data.normal import normal_counts
from labelfree.data.pool import read_sample
from labelfree.data.tiles import by
from labelfree.data.windows import glance, in_windows, lenient
from labelfree.domain import Domain, Sample, domain_names, extent_of
from labelfree.errors import DataError, RecipeError
from labelfree.planning.recognition import field_of, only_domain
from labelfree.planning.sampled_images import open_rows
from labelfree.planning.unread_labels import unread_labels
from labelfree.progress import Progress
from labelfree.reader_settings import domain_with
from labelfree.recipe import Data, Recipe
from labelfree.recipe_file import Overrides, Tell, change, load_recipe
from labelfree.transfer.tasks import Task
from labelfree.transfer.tasks.registry import task_for

TRIED_IMAGES = 8  # images opened until one can be read
UNKNOWN = "?"  # the domain, until the files are looked at


@dataclass(frozen=True)
class Survey:
    """A data set in numbers. `first`: the first image that can be read. `faults`: one sentence for each thing that is wrong (empty until
    looked for), `notes`: what a run would say and go on. `unread`: files that hold labels, or could, and are not read.
    """

    manifest: Manifest
    domain: Domain
    task: Task
    first: Sample | None
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    read: int = 0
    unread: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The survey for a person to read."""
        rows = self.manifest.rows
        yield f"{self.manifest.name}: {len(rows)} images, {sum(row.label is not None for row in rows)} with a label"
        yield from (f"  {sentence}" for sentence in self.manifest.aside)
        if self.manifest.mixed:
            yield f"  {self.manifest.mixed}"
        yield f"  splits: {_counts(row.split or 'none given' for row in rows)}"
        labels = Counter(row.label for row in rows if row.label is not None)
        if labels and not self.task.categorical:
            yield f"  labels: as {self.task.name} reads them"
        elif labels:
            yield f"  classes ({len(labels)}): {', '.join(f'{name} {n}' for name, n in sorted(labels.items()))}"
        yield from self._normal()
        yield from self._objects()
        groups = {row.group for row in rows if row.group}
        yield f"  groups: {len(groups) or 'none named'}"
        if self.first is not None:
            yield f"  first image: {self.first.source or rows[0].id}"
            size, dtype = by(self.first.data.shape[1:]), str(self.first.data.dtype).removeprefix("torch.")
            yield f"    {size} pixels, {dtype}, {self.first.unit}"
            yield f"    {len(self.first.channels)} channels: {', '.join(self.first.channels)}"
            yield from (f"  {sentence}" for sentence in self.domain.missing(self.first.channels))
        yield from (f"  {note}" for note in (*self.manifest.notes, *self.manifest.box_notes, *self.notes))
        yield from (f"  {sentence}" for sentence in self.unread)
        if self.read:
            yield f"  {self.read} images read, {len(self.faults) or 'no'} fault{'s' * (len(self.faults) != 1)} found"
            yield from (f"  {fault}" for fault in self.faults)

    def _normal(self) -> Iterator[str]:
        if any(row.normal is not None for row in self.manifest.rows):
            yield f"  normal: {normal_counts(self.manifest.rows)}"

    def _objects(self) -> Iterator[str]:
        if masked := sum(row.mask is not None for row in self.manifest.rows):
            named = ", ".join(dict.fromkeys(self.manifest.renamed.values()))
            yield f"  masks: {masked} images" + (f"; classes: {named}" if named else "")
        listed = [row.listed for row in self.manifest.rows if row.listed is not None and row.boxes is not None]
        if listed:
            objects = Counter(each.name for image in listed for each in image.objects)
            negative = sum(image.negative for image in listed)
            yield f"  objects: {', '.join(f'{name} {n}' for name, n in sorted(objects.items())) or 'none'}"
            yield f"  {len(listed)} images annotated, {negative} of them negative; {len(self.manifest.rows) - len(listed)} unlabelled"


def _counts(values: Iterator[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(Counter(values).items()))


def survey(source: str | Path, overrides: Overrides, domain: str | None, tell: Tell) -> Survey:
    """Look at `source`: a folder of images, a data card's name, or a recipe. Labels are counted, scored images are not opened."""
    asked, named = asked_of(str(source), overrides, domain, tell)
    field = field_of(asked.data, asked.reader, domain or named, sure=False)
    manifest, reader = field.manifest, field.domain
    task = task_for(asked.evaluate, manifest.rows)
    read = manifest.read or reader.read
    unread = tuple(unread_labels(asked.data, manifest.rows, way="data.labels="))
    faults = []
    for row in open_rows(manifest.rows)[:TRIED_IMAGES]:
        sample = read_sample(read, glance(row, extent_of(reader)))
        if isinstance(sample, Sample):
            return Survey(manifest, reader, task, sample, unread=unread)
        faults.append(str(sample))
    return Survey(manifest, reader, task, None, notes=faults[:1], unread=unread)


def asked_of(source: str, overrides: Overrides, domain: str | None, tell: Tell) -> tuple[Recipe, str | None]:
    """The recipe that `source` stands for, and the domain it names."""
    if Path(source).is_dir() and not (Path(source) / "recipe.yaml").is_file():
        return changed(Data(root=Path(source).absolute()), overrides, domain, tell), None
    if source in card_names() or source.endswith(".md"):
        overrides = {"data.card": source, **overrides} if isinstance(overrides, Mapping) else [f"data.card={source}", *overrides]
        return changed(Data(), overrides, domain or find_card(source).domain, tell), find_card(source).domain
    if not source.endswith((".yaml", ".yml")) and (os.sep in source or "/" in source) and not Path(source).exists():
        raise DataError(f"{source}: no such folder; give a folder of images, a card ({', '.join(card_names())}) or a recipe.")
    if Path(source).is_file() and not source.endswith((".yaml", ".yml")):
        raise DataError(f"{source}: is a file; give its folder, a card ({', '.join(card_names())}) or a recipe.")
    recipe = load_recipe(source, overrides, tell)
    return recipe, recipe.domain


def changed(data: Data, overrides: Overrides, domain: str | None, tell: Tell) -> Recipe:
    """A recipe of nothing but `data`, with overrides applied; `reader` is checked as soon as its domain is known."""
    return change(Recipe(domain=domain or only_domain() or UNKNOWN, data=data), overrides, tell)


def inspect_files(survey: Survey, say: Progress) -> Survey:
    """Decode every image as a run does, scenes in windows: each that is broken or unlike the others, a copy across splits or of another
    label becomes a fault.
    """
    manifest, faults, notes = survey.manifest, list[str](), list[str]()
    try:
        manifest = with_questions_beside(manifest)
    except DataError as error:  # who does not ask them may have another table of that name
        (faults if "questions" in survey.task.columns else notes).append(str(error))
    read, rows = manifest.read or survey.domain.read, manifest.rows
    if manifest.read is None:
        rows = in_windows(rows, lenient(extent_of(survey.domain)))
    checked = find_faults(replace(manifest, rows=rows), read, say, survey.task.categorical, survey.domain)
    return replace(survey, manifest=manifest, faults=[*faults, *checked.faults], notes=[*notes, *checked.notes], read=len(rows))


def write_sample(directory: Path, domain: str | None, seed: int, variant: str) -> Path:
    """A domain's generated data set in a new or empty folder; of the only domain installed where none is named."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise RecipeError(f"{directory}: is not an empty folder; name a new one.")
    name = domain or only_domain()
    if name is None:
        raise RecipeError(f"{directory}: say of which field, with --domain (installed: {', '.join(domain_names()) or 'none'}).")
    domain_with(name, {}).generate(directory, seed, variant)
    return directory
