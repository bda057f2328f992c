"""What people drew on the images of a data set, placed on their pixels, whatever file it is kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from labelfree.data.drawn_images import placing_on
from labelfree.data.label_formats.annotated import AnnotatedImage, Annotations, Placing, State
from labelfree.data.label_formats.listed import BACKGROUND
from labelfree.data.label_formats.mask_files import NumberedMask, masked_image
from labelfree.data.label_formats.mask_numbers import MaskNumbers, mask_numbers
from labelfree.data.label_formats.regions import Everything, Region
from labelfree.data.label_formats.sources import READ, listing_of
from labelfree.data.masks import mask_on_image
from labelfree.data.pool import read_sample
from labelfree.data.threads import in_order
from labelfree.domain import Domain, Row, Sample
from labelfree.errors import DataError
from labelfree.planning.recognition import field_of
from labelfree.planning.survey import asked_of
from labelfree.progress import Progress
from labelfree.recipe_file import Overrides

PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".npy", ".npz", ".nii", ".dcm"}


def annotations_of(source: Path, labels: Path | None, domain: str | None, overrides: Overrides, say: Progress) -> Annotations:
    """The annotations of a folder of images, a data card, a recipe, or of a file of labels whose images lie in its folder.

    Raises `DataError` where there is nothing drawn to read, or a file is broken as a whole.
    """
    root, file = (source.parent, source) if labels is None and _is_labels(source) else (source, labels)
    recipe, named = asked_of(str(root), overrides if file is None else _with(overrides, file), domain, say.say)
    field = field_of(recipe.data, recipe.reader, domain or named, sure=False)
    manifest, listing, reader = field.manifest, field.manifest.listing, field.domain
    masked = [row for row in manifest.rows if row.mask is not None]
    if listing is None and not masked and not any(row.listed for row in manifest.rows):
        raise DataError(f"{file or root}: holds no drawn objects; {READ}.")
    masks = dict(
        zip((row.id for row in masked), in_order(partial(_mask, reader), say.track(masked, "reading masks", len(masked))), strict=True)
    )
    counts = {each.path: each.counts for each in masks.values() if isinstance(each, NumberedMask)}
    numbers = mask_numbers(counts, manifest.renamed, recipe.data.instances)
    placing, images = placing_on(reader), dict[str, AnnotatedImage]()
    for row in say.track(manifest.rows, "placing labels", len(manifest.rows)):
        try:
            images[row.id] = _annotated(row, placing, numbers, reader, masks.get(row.id))
        except DataError as error:
            unknown: tuple[Region, ...] = (Everything(),)
            images[row.id] = AnnotatedImage(row.id, row.path, "objects", ignored=unknown, unused=(str(error),), split=row.split)
            placing.faults.append(str(error))
    form, ids, classes = (listing.form, listing.ids, listing.classes) if listing is not None else ("a table", {}, ())
    drawn = {each.name for image in images.values() for each in image.objects}
    classes = tuple(sorted({*classes, *drawn, *numbers.called} - {BACKGROUND}))
    absent = [f"data.absent: no class is called {name!r} ({', '.join(classes)})." for name in recipe.data.absent if name not in classes]
    faults = (*(listing.faults if listing else ()), *dict.fromkeys(placing.faults), *absent)
    notes = (*manifest.notes, *manifest.box_notes, *placing.notes(), *numbers.notes)
    return Annotations(images, classes, ids, form, tuple(recipe.data.absent), faults, notes)


def _mask(reader: Domain, row: Row) -> NumberedMask | DataError:
    """The mask of a row on its image, or what is wrong with either."""
    try:
        return NumberedMask.of(row, mask_on_image(row, _sample(reader, row), reader, reader.read))
    except DataError as error:
        return error


def _is_labels(source: Path) -> bool:
    """Whether a file holds labels, or a folder labels and no image; a YAML file may be a recipe, and a page a data card."""
    if source.is_file() and source.suffix.lower() not in (".yaml", ".yml", ".md"):
        return True
    return source.exists() and source.suffix.lower() != ".md" and _alone(source) and listing_of(source, source.parent) is not None


def _alone(source: Path) -> bool:
    """Whether a folder holds none of the files that pictures are kept in."""
    return source.is_file() or not any(path.suffix.lower() in PICTURES for path in source.rglob("*"))


def _with(overrides: Overrides, labels: Path) -> list[str]:
    """The overrides after the file of labels, which they may replace."""
    said = [f"{key}={value}" for key, value in overrides.items()] if isinstance(overrides, Mapping) else list(overrides)
    return [f"data.labels={labels.absolute()}", *said]


def _annotated(row: Row, placing: Placing, numbers: MaskNumbers, reader: Domain, mask: NumberedMask | DataError | None) -> AnnotatedImage:
    """What is known of an image. Raises DataError where it, or its mask, cannot be read or they do not fit."""
    if isinstance(mask, DataError):
        raise mask
    if mask is not None:
        masked = masked_image(row, mask, numbers)
        if row.listed is None:
            return masked
        drawn = placing.image(row.id, row.path, row.listed, lambda path: mask.size, row.window)
        state: State = "objects" if "objects" in (masked.state, drawn.state) else masked.state
        objects, ignored = (*drawn.objects, *masked.objects), (*drawn.ignored, *masked.ignored)
        return replace(drawn, state=state, size=mask.size, objects=objects, areas=masked.areas, ignored=ignored)
    if row.listed is not None:
        return placing.image(row.id, row.path, row.listed, partial(_size, reader, row), row.window)
    return AnnotatedImage(row.id, row.path, labels=(row.label,) if row.label else (), split=row.split)


def _size(reader: Domain, row: Row, path: Path) -> tuple[int, int]:
    shape = _sample(reader, row).data.shape
    return int(shape[-2]), int(shape[-1])


def _sample(reader: Domain, row: Row) -> Sample:
    sample = read_sample(reader.read, row)
    if isinstance(sample, DataError):
        raise sample
    return sample
