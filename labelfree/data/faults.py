"""What is wrong with a data set, file by file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from labelfree.data.chosen import AUDIT
from labelfree.data.drawn_images import placing_on
from labelfree.data.label_faults import Annotated, check_annotations
from labelfree.data.label_formats.annotated import Placing
from labelfree.data.label_formats.mask_numbers import mask_numbers
from labelfree.data.manifest import Manifest
from labelfree.data.masks import MaskCounts, mask_on_image
from labelfree.data.measured_pixels import BLANK, blank_note, blank_share
from labelfree.data.normal import only_normal
from labelfree.data.pool import MOST_EMPTY, Kind, all_empty, differs, kind_of, read_sample
from labelfree.data.pool_index import largest
from labelfree.data.same_values import groups_of_copies, trace
from labelfree.data.scales import Scales
from labelfree.data.threads import in_order
from labelfree.domain import Domain, Row, Sample
from labelfree.errors import DataError
from labelfree.progress import Progress

FEW_LABELS = 2  # labels a class, below which nothing can be both learnt and scored
USUALLY, ENOUGH = 0.9, 5  # share and number of a class's masks from which on the others are told


@dataclass(frozen=True)
class Checked:
    """What was found. `faults`: what is wrong; `notes`: what a run says and goes on."""

    faults: list[str]
    notes: list[str]


@dataclass(frozen=True)
class _Look:
    kind: Kind
    most: float
    trace: np.ndarray
    constant: bool
    empty: float
    blank: float
    annotated: Annotated
    shape: tuple[int, ...]
    notes: tuple[str, ...]


def find_faults(
    manifest: Manifest, read: Callable[[Row], Sample], say: Progress, classes: bool = True, domain: Domain | None = None
) -> Checked:
    """Sentences on files that cannot be read, could not share a pool or hold one value only, on masks and boxes that are missing, broken or
    of another size than their image, on copies across splits and on labels that contradict each other or their masks.

    Every row is read once, and judged by what a run judges by. `classes`: whether labels name some, of which each needs a few images.
    `domain`: places masks where it can.
    """
    faults = [*manifest.faults.values(), *(manifest.listing.faults if manifest.listing else ()), *manifest.caption_faults]
    looks, named = dict[str, _Look](), None if domain is None else domain.name
    looked = in_order(lambda row: _look(read, domain, row), manifest.rows, size=_bytes_read)
    for row, outcome in zip(manifest.rows, say.track(looked, "checking images", len(manifest.rows)), strict=True):
        if isinstance(outcome, DataError):
            faults.append(str(outcome))
        else:
            looks[row.id] = outcome
    rows = {row.id: row for row in manifest.rows}
    empty = [rows[identity] for identity, look in looks.items() if look.empty > MOST_EMPTY]
    if looks and len(empty) == len(looks):
        return Checked([*faults, all_empty(empty, named)], [])
    notes = _notes(looks, empty, named)
    for row in empty:  # a run leaves them out before it compares
        del looks[row.id]
    scales = Scales(named)
    alike = bool(looks) and not manifest.mixed  # else a choice among them is to come
    usual = Counter(look.kind for look in looks.values()).most_common(1)[0][0] if alike else None
    for identity, look in looks.items():
        if usual is not None and (fault := differs(rows[identity], look.kind, usual, named)):
            faults.append(fault)
        elif usual is not None:
            scales.note(rows[identity], look.kind.stored, look.most)
        if look.constant:
            faults.append(f"{rows[identity].called}: every channel holds one value only.")
        faults += look.annotated.faults
    try:
        if usual is not None:
            scales.require_one(usual.stored, usual.unit)
    except DataError as error:
        faults.append(str(error))
    marked, told = _drawn(manifest, placing_on(domain), rows, looks)
    faults, notes = [*faults, *marked], [*notes, *told]
    gone = {row.id for row in empty}
    left = [row for row in manifest.rows if row.id not in gone]
    classes = classes and not only_normal(left)  # of good images alone no classes are learnt
    return Checked(
        list(dict.fromkeys(faults)) + _masks(rows, looks) + _copies(rows, looks) + (_classes(manifest, left) if classes else []), notes
    )


def _look(read: Callable[[Row], Sample], domain: Domain | None, row: Row) -> _Look | DataError:
    sample = read_sample(read, row)
    if isinstance(sample, DataError):
        return sample
    pixels = sample.data.numpy()
    constant = all(channel.min() == channel.max() for channel in pixels)
    marks = check_annotations(row, lambda: mask_on_image(row, sample, domain, read))
    return _Look(
        kind_of(sample), largest(sample), trace(sample), constant, sample.empty, blank_share(sample), marks, pixels.shape[1:], sample.notes
    )


def _bytes_read(look: _Look | DataError) -> float:
    """Of the image that was looked at."""
    return look.kind.bytes_of(look.shape) if isinstance(look, _Look) else 0.0


def _notes(looks: Mapping[str, _Look], empty: Sequence[Row], domain: str | None) -> list[str]:
    """On images that a run leaves out, and on what may be missing data that nobody declared."""
    blank = [identity for identity, look in looks.items() if look.blank >= BLANK]
    notes = list(dict.fromkeys(note for look in looks.values() for note in look.notes))
    if empty:
        which = f"{len(empty):,} of {len(looks):,} hold a measurement in less than half of their pixels, such as {empty[0].id}"
        notes.append(f"{which}; a run leaves them out.")
    return [*notes, f"{blank_note(blank, domain)}."] if blank else notes


def _drawn(manifest: Manifest, placing: Placing, rows: Mapping[str, Row], looks: Mapping[str, _Look]) -> tuple[list[str], list[str]]:
    """What is wrong with objects on their images and with the numbers of masks as a set; and how both are read."""
    faults, notes = list[str](), list[str]()
    for identity, look in looks.items():
        if (listed := rows[identity].listed) is not None:
            placing.image(identity, rows[identity].path, listed, partial(_plane, look.shape), rows[identity].window)
    masks = dict[str, MaskCounts]()
    for name, look in looks.items():
        if (numbers := look.annotated.numbers) is not None:  # slices of a volume share a mask
            path = str(rows[name].mask)
            masks[path] = masks[path] + numbers if path in masks else numbers
    try:
        told = mask_numbers(masks, manifest.renamed, manifest.instances)
        notes, faults = [*notes, *told.notes], [*faults, *told.faults.values()]
    except DataError as error:
        faults.append(str(error))
    return [*dict.fromkeys(placing.faults), *faults], [*placing.notes(), *notes]


def _plane(shape: tuple[int, ...], path: Path) -> tuple[int, int]:
    return shape[-2], shape[-1]


def _masks(rows: dict[str, Row], looks: dict[str, _Look]) -> list[str]:
    """Masks that mark nothing where nearly all others of that label mark something, and the other way round."""
    per_label: dict[str, dict[bool, list[str]]] = defaultdict(lambda: {True: [], False: []})
    for identity, look in looks.items():
        label, marked = rows[identity].label, look.annotated.marked
        if label is not None and marked is not None:
            per_label[label][marked].append(identity)
    faults = []
    for label, by_marked in per_label.items():
        for usual, finding, others in ((True, "marks no pixel", "mark some"), (False, "marks pixels", "mark none")):
            like, total = len(by_marked[usual]), len(by_marked[True]) + len(by_marked[False])
            if like >= max(ENOUGH, USUALLY * total):
                much = f"{like} of {total} masks of those {others}"
                faults += [
                    f"{rows[odd].mask}: {finding}, but its image {odd} is labelled {label!r}, and {much}." for odd in by_marked[not usual]
                ]
    return faults


def _copies(rows: dict[str, Row], looks: dict[str, _Look]) -> list[str]:
    faults, names = [], list(looks)
    traces = np.array([look.trace for look in looks.values()])
    for group in groups_of_copies(traces):
        first, *others = [rows[names[position]] for position in group]
        for other in others:
            if other.split != first.split:
                faults.append(f"{other.id} ({other.split or 'no split'}) has the same content as {first.id} ({first.split or 'no split'}).")
            elif first.label is not None and other.label is not None and other.label != first.label:
                faults.append(f"{other.id} has the same content as {first.id}, labelled {first.label!r} there and {other.label!r} here.")
    return faults


def _classes(manifest: Manifest, rows: Sequence[Row]) -> list[str]:
    """Classes of the manifest of which too few of `rows` can be learnt from; with an audit one label teaches, and none is no fault."""
    if any(row.chosen == AUDIT for row in rows):
        return []
    train = Counter(row.label for row in rows if row.label is not None and row.split in ("train", ""))
    return [
        f"Class {label!r} has {train[label]} labels to learn from; at least {FEW_LABELS} are needed."
        for label in manifest.classes
        if train[label] < FEW_LABELS
    ]
