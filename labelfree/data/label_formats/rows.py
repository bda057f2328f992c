"""Rows of a manifest for what files of labels list: each image with what is drawn on it, until it is placed on its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labelfree.data.label_formats.annotated import called, renamed
from labelfree.data.label_formats.listed import BACKGROUND, IGNORED, ListedImage, Listing
from labelfree.data.label_formats.matching import Images, match
from labelfree.samples import Row


def rows_of_listing(
    listing: Listing, source: Path, images: Sequence[Row], root: Path, classes: Mapping[str, str]
) -> tuple[list[Row], Listing]:
    """A row of every image under the root, listed or not; and the listing with all that is wrong with it, its classes called as asked.

    Where nothing is drawn at all, classes of whole images are labels; beside objects they are told and not read.
    """
    named = renamed(listing, classes)
    files, faults = match(named.images, Images([row.path for row in images], root))
    left = {*match(named.left, Images([row.path for row in images], root))[0].values()} - {*files.values()}
    on_path = {path: named.images[place] for place, path in files.items()}
    whole_images = not any(image.drawn or image.faulty for image in named.images) and any(image.labels for image in named.images)
    rows = []
    for row in images:
        if row.path in left:
            continue
        listed = on_path.get(row.path)
        if listed is None:
            rows.append(row)
        elif whole_images:
            several = len(listed.labels) > 1
            faults += [f"{listed.where}: {len(listed.labels)} classes ({', '.join(listed.labels)}); give an image one."] if several else []
            label = listed.labels[0] if len(listed.labels) == 1 else None
            rows.append(replace(row, label=label, listed=listed, split=listed.split, group=listed.group or None))
        else:
            rows.append(replace(row, boxes=str(source), listed=listed, split=listed.split, group=listed.group or None))
    notes = [_summary(named, source, list(on_path.values())), *named.notes]
    labels = sum(len(image.labels) for image in on_path.values())
    if labels and not whole_images:
        which, verb = ("class of a whole image stands", "is") if labels == 1 else ("classes of whole images stand", "are")
        notes.append(f"{source.name}: {labels:,} {which} beside drawn objects and {verb} not read.")
    return rows, replace(named, faults=[*named.faults, *faults], notes=notes)


def rows_of_shapes(rows: Sequence[Row], classes: Mapping[str, str]) -> tuple[list[Row], Listing]:
    """The rows of a vector file, what is drawn on them called as asked; and what a listing says of them."""
    drawn = {each.name for row in rows if row.listed is not None for each in row.listed.drawn if each.kind == "object"}
    named = renamed(Listing("a vector file", [], classes=tuple(sorted(drawn - {BACKGROUND, IGNORED}))), classes)
    return [row if row.listed is None else replace(row, listed=called(row.listed, classes)) for row in rows], named


def _summary(listing: Listing, source: Path, listed: Sequence[ListedImage]) -> str:
    """How many images are listed, and how much is drawn, faulty or not."""
    drawn = sum(len(image.objects) for image in listed)
    crowd = sum(each.kind == "crowd" and each.name != IGNORED for image in listed for each in image.drawn)
    negative = sum(image.negative for image in listed)
    crowds = f", {crowd:,} of crowds" if crowd else ""
    images = f"{len(listed):,} image{'s' * (len(listed) != 1)} listed, {negative:,} with nothing on {'it' if negative == 1 else 'them'}"
    return f"{source.name}: {listing.form}, {drawn:,} drawing{'s' * (drawn != 1)} of objects{crowds}; {images}."
