"""Names of folders that say how a data set is laid out (images, masks, train) and so are never classes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from pathlib import Path

Parts = tuple[str, ...]  # of a path relative to the root, the file's name last
Folders = Mapping[Parts, Mapping[str, Parts]]  # folder -> what tells its files apart -> file

IMAGES = {"image", "images", "img", "imgs", "imagery", "jpegimages", "pngimages"}
OTHERS = {
    "rgb", "tile", "tiles", "patch", "patches", "chip", "chips", "picture", "pictures", "photo", "photos", "input", "inputs", "data",
    "scene", "scenes", "raster", "rasters", "sample", "samples", "orig", "original", "originals", "sat",
}  # fmt: skip
MASKS = {
    "mask", "masks", "label", "labels", "lbl", "lbls", "annotation", "annotations", "annot", "annots", "anno", "annos", "ann", "anns", "gt",
    "gts",
    "ground", "truth", "groundtruth", "groundtruths", "segmentation", "segmentations", "segmentationclass", "segmentationobject", "seg",
    "segs", "labelids", "trainids", "target", "targets", "map", "maps",
}  # fmt: skip
CERTAIN = {  # words of masks that name no class; `label` and `target` may
    "mask", "masks", "labels", "annotation", "annotations", "annots", "gt", "groundtruth", "segmentation", "segmentations",
}  # fmt: skip
AMBIGUOUS = {"ground", "truth", "target", "targets", "map", "maps"}
FEW_FOLDERS = 3  # folders beside each other, up to which one of masks makes them a layout
SPLITS = {
    "": "", "pretrain": "pretrain", "unlabelled": "pretrain", "unlabeled": "pretrain", "train": "train", "training": "train",
    "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test", "testing": "test",
    "test_public": "test", "test_private": "test", "test_private_mixed": "test",
}  # fmt: skip
KNOWN = IMAGES | OTHERS | MASKS | SPLITS.keys()
DRESS = IMAGES | OTHERS | MASKS  # words in a file's name that tell its form, not which one it is
PACKED = {".gz", ".bz2", ".xz", ".zst"}  # the ending before these says what it is
SUFFIX = re.compile(rf"(.*[^\W_])[\W_]+(?:{'|'.join(sorted(MASKS))})[\W_]?[0-9]*", re.IGNORECASE)
GLUED_SUFFIX = re.compile(rf"(.*[a-z0-9])(?:{'|'.join(sorted(word.capitalize() for word in MASKS))})[0-9]*")
FILLERS = {"dir", "folder", "set", "png", "jpg", "jpeg", "tif", "tiff", "8bit", "16bit", "files", "public", "private", "mixed"}


def is_structural(name: str) -> bool:
    """Whether a name tells how a data set is laid out, and nothing of what images show: `images`, `train_masks`, `imgs_256`."""
    words = [word for word in _words(name) if not word.isdigit() and word not in FILLERS]
    return bool(words) and all(word in KNOWN for word in words)


def are_structural(names: Collection[str]) -> bool:
    """Whether folders beside each other are a layout and no classes: most of their names say so; with `images` among them, half.

    One class among many may well be called `label` or `tile`.
    """
    if 0 < sum(map(_certain, names)) < len(names) <= FEW_FOLDERS:  # `with_mask` and `without_mask` are classes
        return True
    numbered = {" ".join(word for word in _words(name) if not word.isdigit()) for name in names}
    if len(names) > 1 and numbered == {"label"}:
        return False
    known = sum(map(is_structural, names))
    return 2 * known > len(names) or (2 * known == len(names) > 0 and any(map(_is_images, names)))


def are_splits(names: Collection[str]) -> bool:
    """Whether folders beside each other are parts of a split."""
    return bool(names) and all(name.lower() in SPLITS for name in names)


def masks_among(files: Sequence[Parts]) -> set[Parts]:
    """Those files that are masks of others.

    They lie in a folder called so, beside others or within one, and bear the names of the files there; or they are called as an image
    beside them is, but for `mask` or the like. Where folders beside each other are nothing but a layout the folder's name is enough, and
    beside one called `images` the files' names are: whatever bears them all is a form of these images, not a class.
    """
    folders: dict[Parts, dict[str, Parts]] = defaultdict(dict)
    inside: dict[Parts, list[Parts]] = defaultdict(list)  # of each outermost folder of masks
    children: dict[Parts, set[str]] = defaultdict(set)
    below = Counter(parts[:depth] for parts in files for depth in range(1, len(parts)))
    for parts in files:
        if not _marks(parts[-1]):
            folders[parts[:-1]].setdefault(stem_of(parts[-1]), parts)
        for depth, name in enumerate(parts[:-1]):
            children[parts[:depth]].add(name)
    with_images = {folder for folder, names in children.items() if any(map(_is_images, names))}
    for parts in files:
        for depth, name in enumerate(parts[:-1]):
            if holds_masks(name) or (parts[:depth] in with_images and not is_structural(name)):
                inside[parts[: depth + 1]].append(parts)
                break
    masks: set[Parts] = set()
    for folder, mine in inside.items():
        names, named = children[folder[:-1]], holds_masks(folder[-1])
        layout = are_structural(names)
        beside = sorted(name for name in names if not holds_masks(name) and (_is_images(name) or (layout and is_structural(name))))
        fit = sum(_has_image(file, folder, beside, folders) for file in mine)
        alone = set(_words(folder[-1])) <= AMBIGUOUS  # `ground/` may be a class whose images are numbered as those of another
        certain = _certain(folder[-1]) and layout
        sure = 2 * fit >= len(mine) or (beside and layout) or certain or (not alone and _bear_all_names(folder, mine, names, folders))
        all_of_them = fit == len(mine) and 2 * fit > sum(below[*folder[:-1], name] for name in beside)
        if sure if named else all_of_them:
            masks.update(mine)
    return masks | {file for file in files if file not in masks and marks_a_neighbour(file, folders)}


def bear_the_same_names(files: Iterable[Parts]) -> bool:
    """Whether folders beside each other hold files of the same names: dates or views of the same places, where masks lie beside them."""
    stems: dict[str, set[str]] = defaultdict(set)
    for parts in files:
        stems[parts[0]].add(stem_of(parts[-1]))
    return len(stems) > 1 and len(set(map(frozenset, stems.values()))) == 1


def _bear_all_names(folder: Parts, mine: Sequence[Parts], names: Iterable[str], folders: Folders) -> bool:
    """Whether each folder beside one of masks has all its files' names."""
    others = [(*folder[:-1], name) for name in names if not holds_masks(name)]
    return bool(others) and all(stem_of(file[-1]) in folders.get(other, ()) for file in mine for other in others)


def _has_image(file: Parts, folder: Parts, beside: Iterable[str], folders: Folders) -> bool:
    above, below = folder[:-1], file[len(folder) : -1]
    return any(stem_of(file[-1]) in folders.get(other, ()) for other in (*((*above, name, *below) for name in beside), (*above, *below)))


def marks_a_neighbour(file: Parts, folders: Mapping[Parts, Container[str]]) -> bool:
    """Whether `t07_mask.png` has a `t07.png` beside it, `mask_07.png` an `image_07.png`, or `t07Mask_1.png` a `t07.png`.

    `folders`: what tells their images apart.
    """
    return any(stem in folders.get(file[:-1], ()) for stem in mask_stems(file[-1]))


def mask_stems(name: str) -> list[str]:
    """What may tell the image of a mask in its own folder apart: `stem_of`, and the name before a last word of masks and its number."""
    stems = [stem_of(name)] if _marks(name) else []
    plain = name.rpartition(".")[0] or name
    suffix = SUFFIX.fullmatch(plain) or GLUED_SUFFIX.fullmatch(plain)
    return [*stems, stem_of(f"{suffix[1]}.")] if suffix else stems


def _marks(name: str) -> bool:
    """Whether a file's name begins or ends with `mask` or the like."""
    words = _words(name.rpartition(".")[0] or name)
    return bool(words) and not MASKS.isdisjoint((words[0], words[-1]))


def _certain(name: str) -> bool:
    """Whether a name says masks whatever else it says: `Semantic_masks`, `5_Labels_all`."""
    return not CERTAIN.isdisjoint(_words(name))


def holds_masks(name: str) -> bool:
    """Whether a folder's name says that it holds masks of other images."""
    return (is_structural(name) and not MASKS.isdisjoint(_words(name))) or _certain(name)


def _is_images(name: str) -> bool:
    return is_structural(name) and not IMAGES.isdisjoint(_words(name))


def stem_of(name: str) -> str:
    """What tells files of a folder apart: `img_007.png` and `mask_007.tif` are both 007; nothing does `image.png` and `mask.png`."""
    return " ".join(word for word in _words(name.rpartition(".")[0] or name) if word not in DRESS)


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", name.strip().lower()) if word]


def ending_of(name: str) -> str:
    """`.tif` of a.TIF, `.tar.gz` of a.tar.gz, nothing where there is none."""
    path = Path(name.lower())
    whole = "".join(path.suffixes[-2:]) if path.suffix in PACKED and len(path.suffixes) > 1 else path.suffix
    return whole if whole.lstrip(".").replace(".", "").isalnum() else ""
