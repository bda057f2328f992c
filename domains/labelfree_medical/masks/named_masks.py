"""Volumes that are masks of others by their names: `a.nii.gz` and `a_mask.nii.gz`, `imagesTr/a` and `labelsTr/a`, `ct` and `segmentation`.

Of pictures the core tells (`labelfree.data.structure`), whose words for masks hold here too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labelfree.data.structure import AMBIGUOUS, IMAGES, MASKS
from labelfree_medical.files import endings
from labelfree_medical.stored import ImageFiles, Listing, NoImage

Words = tuple[str, ...]
DRAWN = (MASKS - AMBIGUOUS) | {"roi", "rois"}
SHOWN = IMAGES | {  # words that tell how an image was made, not which one it is
    "imaging", "volume", "volumes", "vol", "scan", "scans", "ct", "cta", "mr", "mri", "pet", "t1", "t1w", "t1c", "t1ce", "t1gd", "t1n",
    "t2", "t2w", "t2f", "flair", "adc", "dwi",
}  # fmt: skip
LONE = "in a folder of masks, of no one image by its name; a table's column mask may name it"
PART = re.compile(r"(?<=images|labels)t[rs]$")  # of nnU-Net's folders


def with_named_masks(listing: Listing) -> Listing:
    """A listing whose volumes have the one file as mask that is named as theirs; it is then neither an image nor left aside.

    Others in a folder of masks are no images either.
    """
    files = [image.path for image in listing.images if image.kind == "volume" and not (image.series or image.key or image.files[1:])]
    files += [file for other in listing.no_images for file in other.files if file.name.lower().endswith(endings)]
    marked = {file: words for file in files if (words := _drawn(file)) is not None}
    shown = defaultdict[Path, list[ImageFiles]](list)
    for image in listing.images:
        if image.kind == "volume" and image.path not in marked:
            shown[image.path.parent].append(image)
    inside = defaultdict[Path, list[Path]](list)
    for folder in shown:
        inside[folder.parent].append(folder)
    masks = defaultdict[Path, list[Path]](list)
    for mask, words in marked.items():
        for image in _images_of(words, [image for folder in _near(mask.parent, shown, inside) for image in shown.get(folder, ())]):
            masks[image.path].append(mask)
    single = {path: found[0] for path, found in masks.items() if len(found) == 1}
    taken = set(single.values())
    alone = [file for file in marked if file not in taken and _beside_images(file.parent, shown)]
    gone = {*taken, *alone}
    note = f"{len(taken):,} volumes are masks of others by their names, such as {min(taken, default=Path()).name}."
    return replace(
        listing,
        images=tuple(replace(each, mask=each.mask or single.get(each.path)) for each in listing.images if each.path not in gone),
        no_images=(
            *(other for other in listing.no_images if not gone.issuperset(other.files)),
            *(NoImage((file,), LONE) for file in alone),
        ),
        notes=(*listing.notes, note) if taken else listing.notes,
    )


def _drawn(path: Path) -> Words | None:
    """Which image a mask is of, in words; None of a file whose name, and whose folder's, says nothing of masks."""
    words = _words(path)
    if words and not DRAWN.isdisjoint((words[0], words[-1])):
        return tuple(word for word in words if word not in DRAWN)
    return words if _holds_masks(path.parent) else None


def _near(folder: Path, shown: Container[Path], inside: Mapping[Path, Sequence[Path]]) -> Iterable[Path]:
    """Where the images of a folder's masks may lie: there, else in the folders in it, as series do; above and beside one of masks; of
    nnU-Net's in the one of the same part.
    """
    if not _holds_masks(folder):
        return [folder] if folder in shown else inside.get(folder, ())
    there = [other for other in inside.get(folder.parent, ()) if other != folder]
    mine = folder.name.lower().replace("labels", "images")
    return dict.fromkeys([folder, folder.parent, *([other for other in there if other.name.lower() == mine] or there)])


def _images_of(words: Words, images: Sequence[ImageFiles]) -> list[ImageFiles]:
    """The images that bear the words of a mask, all of them or those that tell which; else the only one there is."""
    plain = {image.path: _words(image.path) for image in images if not image.series}
    same = [image for image in images if plain.get(image.path) == words]
    same = same or [image for image in images if image.path in plain and _which(plain[image.path]) == _which(words)]
    return same or (list(images) if len(images) == 1 and not _which(words) else [])


def _holds_masks(folder: Path) -> bool:
    words = _split(PART.sub("", folder.name.lower()))
    return bool(words) and DRAWN.issuperset(words)


def _beside_images(folder: Path, shown: Iterable[Path]) -> bool:
    """Whether a folder holds masks by its name, and images lie outside of it."""
    return _holds_masks(folder) and any(folder not in (other, *other.parents) for other in shown)


def _which(words: Words) -> Words:
    return tuple(word for word in words if word not in SHOWN)


def _words(path: Path) -> Words:
    return _split(bare_name(path).lower())


def bare_name(path: Path) -> str:
    """A file's name without its ending, be it `.nii.gz`."""
    ending = max((each for each in endings if path.name.lower().endswith(each)), key=len, default="")
    return path.name[: len(path.name) - len(ending)]


def _split(name: str) -> Words:
    return tuple(word for word in re.split(r"[\W_]+", name) if word)
