"""What the labels of a data set are: which task they make, and how many there are of each class."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from shlex import quote
from typing import Literal

import numpy as np

from labelfree.data.drawn_images import frame_of
from labelfree.data.label_faults import check_annotations, missing_annotations
from labelfree.data.label_formats.listed import IGNORED
from labelfree.data.label_formats.mask_numbers import UnsureNumbers, mask_numbers
from labelfree.data.manifest import Manifest
from labelfree.data.masks import MaskCounts, mask_on_image
from labelfree.data.normal import is_normal, normal_counts
from labelfree.domain import Domain, Row
from labelfree.errors import DataError
from labelfree.planning.sampled_images import Look, open_rows
from labelfree.transfer.tasks import find_task, task_names
from labelfree.transfer.tasks.multilabel import SEPARATOR, names_in, several

Task = Literal["classification", "multilabel", "segmentation", "detection", "anomaly", "retrieval"]
TASKS: dict[Task, str] = {  # the field of a row that holds the labels of each
    "classification": "label", "multilabel": "label", "segmentation": "mask", "detection": "boxes", "anomaly": "normal",
    "retrieval": "captions",
}  # fmt: skip
READ_FROM_MASKS = {task for task, column in TASKS.items() if column in ("mask", "boxes", "normal")}
LISTED = 20  # classes named one by one


@dataclass(frozen=True)
class Labels:
    """`tasks`: those that the labels would do for, the one a recipe takes first. `facts`: sentences on what there is. `classes`: what
    `data.classes` has to say before masks can be read.
    """

    tasks: tuple[Task, ...]
    facts: tuple[str, ...]
    classes: Mapping[str, str] = field(default_factory=dict)

    def asking(self, task: str) -> str:
        """What is typed after `labelfree plan DIR` so that a recipe asks for `task`, by keys that hold what it reads."""
        said = f" {quote(f'data.classes={json.dumps(self.classes)}')}" if self.classes and task in READ_FROM_MASKS else ""
        return f"evaluate.task={task}{said}"


def labels_of(manifest: Manifest, looks: Sequence[Look], domain: Domain) -> Labels:
    """Count labels of all rows; masks are read for the images that were looked at, boxes for all rows but dev and test.

    Raises `DataError` where masks or boxes that the table names are missing.
    """
    missing = missing_annotations(manifest.rows)
    if missing:
        more = ", …" if len(missing) > 3 else "."
        raise DataError(f"{len(missing)} masks or annotations that the table names are missing: {' '.join(missing[:3])[:-1]}{more}")
    tasks = tuple(task for task in TASKS if _carried(manifest.rows, task))
    masks = _read_masks(looks, domain)
    tell: dict[Task, Callable[[], Iterator[str]]] = {
        "classification": lambda: _classes(manifest),
        "multilabel": lambda: _sets(manifest),
        "segmentation": lambda: _masks(manifest, *masks),
        "detection": lambda: _boxes(manifest),
        "anomaly": lambda: _normal(manifest),
        "retrieval": lambda: _texts(manifest),
    }
    facts = [fact for task in tasks for fact in tell[task]()]
    unknown = len(manifest.subset("pretrain"))
    if unknown and tasks:
        facts.append(f"labels of {unknown:,} pretrain rows are taken as unknown")
    return Labels(tasks, tuple(facts), _unsaid(masks[0], manifest))


def _carried(rows: Sequence[Row], task: Task) -> bool:
    """Whether any row has a label of the task: as an installed task sees it, else in the task's column."""
    if task in task_names() and find_task(task).asked_by(rows):
        return True
    shared = sum(column == TASKS[task] for column in TASKS.values()) > 1  # whose labels they are only the tasks tell
    return not shared and any(getattr(row, TASKS[task]) not in (None, ()) for row in rows)


def _classes(manifest: Manifest) -> Iterator[str]:
    shapes = any(row.window for row in manifest.labelled)
    source = "by folder" if manifest.class_folders else "by shape" if shapes else "by table"
    yield f"labels, {source}: {len(manifest.labelled):,} images in {len(manifest.classes)} classes"
    learnt = Counter(row.label for row in manifest.labelled if row.split in ("train", ""))
    yield f"  to learn from: {_counts(learnt)}"
    scored = Counter(row.split for row in manifest.labelled if row.split in ("dev", "test"))
    if scored:
        yield f"  set apart: {_counts(scored)}"


def _sets(manifest: Manifest) -> Iterator[str]:
    sets = [names_in(str(row.label)) for row in manifest.labelled if several(row) or SEPARATOR not in str(row.label)]
    images = Counter(name for names in sets for name in names)
    yield f"labels of several classes, by table: {len(sets):,} images in {len(images)} classes"
    yield f"  images of each: {_counts(images)}"


def _read_masks(looks: Sequence[Look], domain: Domain) -> tuple[dict[str, MaskCounts], list[str]]:
    """The numbers of each mask of the images that were looked at, and what is wrong with masks."""
    counts, faults = dict[str, MaskCounts](), list[str]()
    for look in looks:
        if look.row.mask is None:
            continue
        annotated = check_annotations(look.row, partial(_mask, look.row, domain))
        faults += annotated.faults
        if annotated.numbers is not None:
            file, mine = look.row.mask, annotated.numbers  # of which several looks may be windows
            counts[file] = counts[file] + mine if file in counts else mine
    return counts, faults


def _masks(manifest: Manifest, counts: Mapping[str, MaskCounts], faults: Sequence[str]) -> Iterator[str]:
    if masked := sum(row.mask is not None for row in manifest.rows):
        yield f"masks: {masked:,} images"
    if counts:
        yield from _shown(counts, manifest)
    yield from _faulty(faults)


def _unsaid(counts: Mapping[str, MaskCounts], manifest: Manifest) -> Mapping[str, str]:
    """What `data.classes` may say of numbers on edges that nobody wrote; empty where masks can be read as they are."""
    try:
        mask_numbers(counts, manifest.renamed, manifest.instances)
    except UnsureNumbers as error:
        return error.classes
    except DataError:
        pass
    return {}


def _shown(counts: Mapping[str, MaskCounts], manifest: Manifest) -> Iterator[str]:
    """What the numbers of these masks stand for, or what leaves it open."""
    try:
        numbers = mask_numbers(counts, manifest.renamed, manifest.instances)
    except DataError as error:
        yield f"  of {len(counts)} read: {error}"
        return
    pixels, images = Counter[str](), Counter[str]()
    for mask in counts.values():
        of = Counter[str]()
        for number, here in mask.numbers.items():
            of[numbers.name(number) or IGNORED] += here
        pixels.update(of)
        images.update(of.keys())
    shares = [f"{name} in {images[name]} ({pixels[name] / pixels.total():.1%} of the pixels)" for name in sorted(pixels)]
    yield f"  of {len(counts)} read: {', '.join(shares[:LISTED])}{_left(len(shares))}"
    yield from (f"  {note}" for note in numbers.notes)
    yield from _faulty(list(numbers.faults.values()))


def _mask(row: Row, domain: Domain) -> np.ndarray:
    """The numbers of a mask on the grid of its image, as a run places it. Raises DataError where it does not fit."""
    return mask_on_image(row, frame_of(row, domain, domain.read), domain, domain.read)


def _boxes(manifest: Manifest) -> Iterator[str]:
    boxed = [row for row in manifest.rows if row.boxes is not None]
    yield f"boxes: {len(boxed):,} images"
    yield from _listed(open_rows([row for row in boxed if row.listed is not None]))
    drawn = [row.listed for row in open_rows(boxed) if row.listed is not None]
    yield from _faulty([f"{image.where}: {sentence}" for image in drawn for sentence in image.faulty])


def _listed(rows: Sequence[Row]) -> Iterator[str]:
    """What a file of labels draws on the images to learn from."""
    drawn = [(row.id, each.name) for row in rows if row.listed is not None for each in row.listed.objects]
    objects, images = Counter(name for _, name in drawn), Counter(name for _, name in set(drawn))
    negative = sum(row.listed is not None and row.listed.negative for row in rows)
    if rows:
        shown = ", ".join(f"{name} {number:,} in {images[name]:,}" for name, number in objects.most_common(LISTED))
        yield f"  objects in {len(rows):,} images to learn from: {shown or 'no object'}{_left(len(objects))}; {negative:,} negative"
    if any(map(is_normal, rows)) and any(is_normal(row) is False for row in rows):
        yield (
            f"  {normal_counts(rows)}: evaluate.task=classification tells them apart, evaluate.task=anomaly learns from the good ones alone"
        )
    if rows and negative == len(rows):
        yield (
            f"  all {negative:,} images with labels are without objects: there is nothing to detect, but they can serve as data.normal, "
            "examples of what is normal"
        )


def _normal(manifest: Manifest) -> Iterator[str]:
    yield f"normal images: {normal_counts(manifest.rows)}"


def _texts(manifest: Manifest) -> Iterator[str]:
    images = sum(bool(row.captions) for row in manifest.rows)
    captions = [caption for row in manifest.rows for caption in row.captions]
    yield f"captions: {images:,} images with {len(captions):,}, {len(set(captions)):,} of them different"
    yield "  pretrain.objective=clip and siglip learn from them (docs/language.md)"


def _faulty(faults: Sequence[str]) -> Iterator[str]:
    if faults:
        yield f"  {len(faults)} fault{'s' * (len(faults) > 1)} found, the first: {faults[0]}"


def _counts(counts: Counter) -> str:
    shown = sorted(counts.most_common()[-LISTED:], key=lambda item: str(item[0]))
    return ", ".join(f"{name} {number:,}" for name, number in shown) + _left(len(counts))


def _left(kinds: int) -> str:
    return f" and {kinds - LISTED} more classes" if kinds > LISTED else ""
