"""Which images of a folder are meant: by modality and by series; what is mixed is never one set silently."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from labelfree.errors import DataError
from labelfree_medical.stored import ImageFiles

FILMS = ("CR", "DX", "RG", "RF")  # projections whose pictures look alike, whichever plate made them
SHOWN = 8  # descriptions of series that a sentence names


def kind_of(image: ImageFiles, others: Sequence[ImageFiles] = ()) -> str:
    """What sentences call images like this one: its modality; without one, or where a modality has both, volumes or pictures too."""
    both = any(other.modality == image.modality and other.kind != image.kind for other in others)
    return " ".join(filter(None, (image.modality, f"{image.kind}s" if both or not image.modality else "")))


def chosen(
    root: Path, images: Sequence[ImageFiles], modality: Sequence[str], series: Sequence[str]
) -> tuple[list[ImageFiles], Sequence[ImageFiles]]:
    """The images that both keys mean, and those that they leave out. Raises `DataError` where none is left, telling what there is."""
    kept = list(images)
    for key, wanted, fits in (("modality", modality, _of_modality), ("series", series, _of_series)):
        if not wanted:
            continue
        left = [image for image in kept if any(fits(image, name) for name in wanted)]
        if not left and kept:
            there = summary(kept) if key == "modality" else _described(kept)
            raise DataError(f"{root}: reader.{key}={', '.join(wanted)} fits none of its images; there are {there}.")
        kept = left
    mine = set(map(id, kept))
    return kept, [image for image in images if id(image) not in mine]


def mixture(root: Path, images: Sequence[ImageFiles]) -> str:
    """Why these images are no one set, and which key chooses; "" where they are one."""
    sets: dict[tuple[str, str], str] = {(_alike(image.modality), image.kind): kind_of(image, images) for image in images}
    if len({kind for _, kind in sets}) < 2 and len({modality for modality, _ in sets} - {""}) < 2:
        return ""
    names = list(dict.fromkeys(sets.values()))
    ways = ", ".join(f'reader.modality="{name}"' if " " in name else f"reader.modality={name}" for name in names)
    return f"{root}: holds {summary(images)}, which are no one set; choose with {ways}."


def summary(images: Sequence[ImageFiles]) -> str:
    """`3 CT, 3 MR and 1 CR`."""
    counts = Counter(kind_of(image, _both(images)) for image in images)
    return _listed([f"{number:,} {kind}" for kind, number in counts.items()])


def several_series(images: Sequence[ImageFiles]) -> tuple[str, str]:
    """Two sentences on studies that hold several volumes of a modality, such as two kernels of one scan: one for the report, which names no
    description, and one for the log, which does; both empty where there is none.
    """
    studies: dict[tuple[str, str], list[ImageFiles]] = defaultdict(list)
    for image in images:
        if image.study and image.kind == "volume":
            studies[image.study, image.modality].append(image)
    several = [mine for mine in studies.values() if len({(image.series, image.kernel) for image in mine}) > 1]
    if not several:
        return "", ""
    count = sum(map(len, several))
    said = f"{count:,} volumes are several series each of {len(several):,} stud{'y' if len(several) == 1 else 'ies'} (kernels, sequences)"
    way = 'all are taken; reader.series="…" takes those of one description'
    return f"{said}: {way}.", f"Series there: {_described([image for mine in several for image in mine])}."


def _described(images: Sequence[ImageFiles]) -> str:
    counts = Counter(image.description or "without a description" for image in images)
    more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    return ", ".join(f"{name!r} ({number:,})" for name, number in counts.most_common(SHOWN)) + more


def _of_modality(image: ImageFiles, name: str) -> bool:
    asked = name.strip().lower()
    names = {f"{image.kind}s", f"{image.modality} {image.kind}s".strip(), *([image.modality] if image.modality else [])}
    return asked in {each.lower() for each in names}


def _of_series(image: ImageFiles, name: str) -> bool:
    asked = name.strip().lower()
    return name == image.series or any(fnmatchcase(each.lower(), asked) for each in (image.description, image.kernel) if each)


def _alike(modality: str) -> str:
    """One name for modalities whose images are one kind of picture."""
    return FILMS[0] if modality in FILMS else modality


def _both(images: Sequence[ImageFiles]) -> list[ImageFiles]:
    """One image of each modality and kind: enough to tell which modality has both kinds."""
    return list({(image.modality, image.kind): image for image in images}.values())


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else "none"
