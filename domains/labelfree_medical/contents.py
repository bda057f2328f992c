"""What a folder holds as tables speak of it: a row an image or slice, patients as groups, and the words by which tables may name them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labelfree.domain import PART, Contents, Row
from labelfree_medical.bids import subject_of
from labelfree_medical.choice import chosen, mixture, several_series
from labelfree_medical.slices import Slice
from labelfree_medical.stored import ImageFiles, Listing

SHOWN = 3  # files that a sentence names
IGNORED = "ignore"  # what the core calls a class that is neither learnt nor scored


def contents_of(
    root: Path,
    listing: Listing,
    modality: Sequence[str] = (),
    series: Sequence[str] = (),
    slices: Callable[[ImageFiles], Sequence[Slice]] | None = None,
) -> Contents:
    """The images of a listing that are meant. `slices`: which ones volumes are read as; None: volumes stay whole.

    Images that share a mask, as sequences of one patient do, share a group.

    Raises `DataError` where a choice leaves no image.
    """
    images, others = chosen(root, listing.images, modality, series)
    groups, grouping = groups_of(root, images)
    told, described = several_series(images)
    masks = Counter(image.mask for image in images if image.mask)
    rows, names = list[Row](), defaultdict[str, list[str]](list)
    for image in images:
        group = groups.get(id(image)) or (_relative(root, image.mask) if image.mask and masks[image.mask] > 1 else None)
        mine = rows_of(root, image, group, slices(image) if slices and image.kind == "volume" else ())
        rows += mine
        frames_of = {_relative(root, image.path)} if image.key and image.kind == "picture" and image.instances else set()
        for name in {*identifiers(image), whole_id(root, image), *frames_of}:
            names[name] += [row.id for row in mine]
    none = [*(each.names for each in listing.no_images), *(each.names for each in listing.untrusted)]
    for name in set[str]().union(*map(identifiers, others), *none):  # tables may name them, and are told no mistake then
        names.setdefault(name, [])
    files = {file for image in listing.images for file in (image.path, *image.files, *image.masks)}
    files |= {file for each in listing.no_images for file in each.files} | {file for each in listing.untrusted for file in each.files}
    left_out = [f"{len(others):,} images are left out by reader.modality or reader.series."] if others else []
    return Contents(
        rows=tuple(rows),
        files=frozenset(files),
        aside=(*listing.notes, *_aside(root, listing), *([described] if described else ()), *left_out),
        faults={_relative(root, each.files[0]): each.sentence for each in listing.untrusted},
        mixed=mixture(root, images),
        names={name: tuple(ids) for name, ids in names.items()},
        classes=_classes(listing),
        notes=(*grouping, *([told] if told else ())),
    )


def rows_of(root: Path, image: ImageFiles, group: str | None, slices: Sequence[Slice]) -> list[Row]:
    """A row for an image, or one for each of its slices, which stay together in every split and fold."""
    whole = Row(
        whole_id(root, image),
        image.path,
        label=image.label or None,
        mask=str(image.mask) if image.mask else None,
        mask_files=image.mask_files,
        group=group,
        split=image.split,
        key=image.key,
        files=image.files if len(image.files) > 1 else (),
        withheld=image.burnt_in,
    )
    keys = [f"{image.key}{PART}{each}" for each in slices]
    part = replace(whole, group=group or whole.id)
    return [replace(part, id=f"{_relative(root, image.path)}#{key}", key=key) for key in keys] or [whole]


def identifiers(image: ImageFiles) -> set[str]:
    """What headers call an image, and what it is of."""
    return {image.series, image.study, image.accession, image.patient, *image.instances} - {"", image.path.as_posix()}


def whole_id(root: Path, image: ImageFiles) -> str:
    """What an image is called as a whole, however it is read."""
    base = _relative(root, image.path)
    return f"{base}#{image.key}" if image.key else base


def groups_of(root: Path, images: Sequence[ImageFiles]) -> tuple[Mapping[int, str], list[str]]:
    """A group by the identity of each image that has one: its patient, or its study where PatientID tells nobody apart, with a sentence.

    One without a patient is of the patient whom another image of its study names. Where no header names one and every name has a subject
    of BIDS, groups are these.
    """
    subjects = {id(image): subject_of(root, image.path) for image in images}
    if images and all(subjects.values()) and not any(image.patient for image in images):
        return subjects, [f"Groups are the subjects of {len(images):,} images by their names (`sub-…`, as in BIDS)."]
    known = [image for image in images if image.patient or image.study or image.series]
    named = {image.study: image.patient for image in known if image.study and image.patient}
    whose = {id(image): image.patient or named.get(image.study, "") for image in known}
    patients, studies = set(whose.values()), {image.study for image in known}
    if not known:
        return {}, []
    if len(patients) == 1 and ("" in patients or len(studies) > 1):
        how = "empty" if "" in patients else "the same"
        sentence = f"PatientID is {how} in all {len(known):,} images, so groups are studies (StudyInstanceUID)."
        by_headers = any(image.series for image in known)  # else they are files with several images, which stay together
        return {id(image): _study(root, image) for image in known}, [sentence] if by_headers else []
    lacking = sum(not patient for patient in whose.values())
    note = f"{lacking:,} of {len(known):,} images have no PatientID: each of their studies is a group of its own."
    return {id(image): whose[id(image)] or _study(root, image) for image in known}, [note] if lacking else []


def _study(root: Path, image: ImageFiles) -> str:
    """What holds images that are taken together: a study, a series, or a file with several, as it lies under the folder."""
    return _relative(root, image.path) if image.study == image.path.as_posix() else image.study or image.series


def _classes(listing: Listing) -> dict[str, str]:
    names = {str(number): name for number, name in listing.classes.items()}
    return names if listing.ignore is None else {**names, str(listing.ignore): IGNORED}


def _aside(root: Path, listing: Listing) -> list[str]:
    """A sentence for each reason why files are no image."""
    reasons: dict[str, list[Path]] = defaultdict(list)
    for each in listing.no_images:
        reasons[each.reason].extend(each.files)
    sentences = []
    for reason, files in reasons.items():
        shown = ", ".join(_relative(root, file) for file in files[:SHOWN]) + (", …" if len(files) > SHOWN else "")
        sentences.append(f"{len(files):,} file{'s' * (len(files) > 1)} left aside, {reason}: {shown}.")
    return sentences


def _relative(root: Path, file: Path) -> str:
    """With forward slashes; as it stands where it lies elsewhere."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
