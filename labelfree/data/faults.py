"""What is wrong with a data set, file by file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from labelfree.data.annotations import Annotated, annotated
from labelfree.data.manifest import Manifest
from labelfree.data.pool import read_sample
from labelfree.data.pool_index import digest
from labelfree.data.threads import in_order
from labelfree.domain import Row, Sample
from labelfree.errors import DataError
from labelfree.progress import Progress

FEW = 2  # labels a class, below which nothing can be both learnt and scored
USUALLY, ENOUGH = 0.9, 5  # share and number of a class's masks from which on the others are told


@dataclass(frozen=True)
class _Look:
    channels: tuple[str, ...]
    shape: tuple[int, ...]
    digest: str
    constant: bool
    annotated: Annotated


def find_faults(manifest: Manifest, read: Callable[[Row], Sample], say: Progress) -> list[str]:
    """Sentences on files that cannot be read, differ in bands or hold one value only, on masks and boxes that are missing, broken or of
    another size than their image, on copies across splits and on labels that contradict each other or their masks.

    Every file is read once; an empty list means that nothing was found.
    """
    faults, looks = [], dict[str, _Look]()
    for row, found in zip(
        manifest.rows, say.track(in_order(lambda row: _look(read, row), manifest.rows), "checking images", len(manifest.rows)), strict=True
    ):
        if isinstance(found, DataError):
            faults.append(str(found))
        else:
            looks[row.id] = found
    rows = {row.id: row for row in manifest.rows}
    usual = Counter(look.channels for look in looks.values()).most_common(1)[0][0] if looks else ()
    for identity, look in looks.items():
        if look.channels != usual:
            faults.append(f"{rows[identity].path}: bands {', '.join(look.channels)}; most files have {', '.join(usual)}.")
        if look.constant:
            faults.append(f"{rows[identity].path}: every band holds one value only.")
        faults += look.annotated.faults
    return faults + _masks(rows, looks) + _copies(rows, looks) + _classes(manifest)


def _look(read: Callable[[Row], Sample], row: Row) -> _Look | DataError:
    sample = read_sample(read, row)
    if isinstance(sample, DataError):
        return sample
    pixels = sample.data.numpy()
    constant = all(band.min() == band.max() for band in pixels)
    return _Look(tuple(sample.channels), pixels.shape[1:], digest(pixels), constant, annotated(row, pixels.shape[1:], read))


def _masks(rows: dict[str, Row], looks: dict[str, _Look]) -> list[str]:
    """Masks that mark nothing where nearly all others of that label mark something, and the other way round."""
    per_label: dict[str, dict[bool, list[str]]] = defaultdict(lambda: {True: [], False: []})
    for identity, look in looks.items():
        label, marked = rows[identity].label, look.annotated.marked
        if label is not None and marked is not None:
            per_label[label][marked].append(identity)
    faults = []
    for label, found in per_label.items():
        for usual, said, others in ((True, "marks no pixel", "mark some"), (False, "marks pixels", "mark none")):
            like, total = len(found[usual]), len(found[True]) + len(found[False])
            if like >= max(ENOUGH, USUALLY * total):
                much = f"{like} of {total} masks of those {others}"
                faults += [f"{rows[odd].mask}: {said}, but its image {odd} is labelled {label!r}, and {much}." for odd in found[not usual]]
    return faults


def _copies(rows: dict[str, Row], looks: dict[str, _Look]) -> list[str]:
    same: dict[str, list[Row]] = defaultdict(list)
    for identity, look in looks.items():
        same[look.digest].append(rows[identity])
    faults = []
    for copies in same.values():
        first = copies[0]
        for other in copies[1:]:
            if other.split != first.split:
                faults.append(f"{other.id} ({other.split or 'no split'}) has the same content as {first.id} ({first.split or 'no split'}).")
            elif first.label is not None and other.label is not None and other.label != first.label:
                faults.append(f"{other.id} has the same content as {first.id}, labelled {first.label!r} there and {other.label!r} here.")
    return faults


def _classes(manifest: Manifest) -> list[str]:
    train = Counter(row.label for row in manifest.rows if row.label is not None and row.split in ("train", ""))
    return [
        f"Class {label!r} has {train[label]} labels to learn from; at least {FEW} are needed."
        for label in manifest.classes
        if train[label] < FEW
    ]
