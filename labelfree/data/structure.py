"""Names of folders that say how a data set is laid out (images, masks, train) and so are never classes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

Parts = tuple[str, ...]  # of a path relative to the root, the file's name last
Folders = Mapping[Parts, Mapping[str, Parts]]  # folder -> what tells its files apart -> file

IMAGES = {"image", "images", "img", "imgs", "imagery", "jpegimages", "pngimages"}
OTHERS = {
    "rgb", "tile", "tiles", "patch", "patches", "chip", "chips", "picture", "pictures", "photo", "photos", "input", "inputs", "data",
    "scene", "scenes", "raster", "rasters", "sample", "samples", "orig", "original", "originals",
}  # fmt: skip
MASKS = {
    "mask", "masks", "label", "labels", "lbl", "lbls", "annotation", "annotations", "annot", "annots", "ann", "anns", "gt", "gts",
    "ground", "truth", "groundtruth", "groundtruths", "segmentation", "segmentations", "segmentationclass", "segmentationobject", "seg",
    "segs", "labelids", "trainids",
}  # fmt: skip
SPLITS = {
    "": "", "pretrain": "pretrain", "unlabelled": "pretrain", "unlabeled": "pretrain", "train": "train", "training": "train",
    "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test", "testing": "test",
}  # fmt: skip
KNOWN = IMAGES | OTHERS | MASKS | SPLITS.keys()
FILLERS = {"dir", "folder", "set", "png", "jpg", "jpeg", "tif", "tiff", "8bit", "16bit", "files"}


def is_structural(name: str) -> bool:
    """Whether a name tells how a data set is laid out, and nothing of what images show: `images`, `train_masks`, `imgs_256`."""
    words = [word for word in _words(name) if not word.isdigit() and word not in FILLERS]
    return bool(words) and all(word in KNOWN for word in words)


def are_structural(names: Collection[str]) -> bool:
    """Whether folders beside each other are a layout and no classes: most of their names say so; with `images` among them, half.

    One class among many may well be called `label` or `tile`.
    """
    known = sum(map(is_structural, names))
    return 2 * known > len(names) or (2 * known == len(names) > 0 and any(map(_is_images, names)))


def are_splits(names: Collection[str]) -> bool:
    """Whether folders beside each other are parts of a split."""
    return bool(names) and all(name.lower() in SPLITS for name in names)


def masks_among(files: Sequence[Parts]) -> set[Parts]:
    """Those files that are masks of others.

    They lie in a folder called so, beside one of images or within it, and bear its files' names; or they are called as an image beside
    them is, with `_mask` or the like behind. Where folders beside each other are nothing but a layout the folder's name is enough.
    """
    folders: dict[Parts, dict[str, Parts]] = defaultdict(dict)
    inside: dict[Parts, list[Parts]] = defaultdict(list)  # of each outermost folder of masks
    children: dict[Parts, set[str]] = defaultdict(set)
    for parts in files:
        folders[parts[:-1]].setdefault(_stem(parts[-1]), parts)
        for depth, name in enumerate(parts[:-1]):
            children[parts[:depth]].add(name)
        outermost = next((depth for depth, name in enumerate(parts[:-1]) if _holds_masks(name)), None)
        if outermost is not None:
            inside[parts[: outermost + 1]].append(parts)
    found: set[Parts] = set()
    for folder, mine in inside.items():
        names = children[folder[:-1]]
        layout = are_structural(names)
        beside = sorted(name for name in names if not _holds_masks(name) and (_is_images(name) or (layout and is_structural(name))))
        fit = sum(_has_image(file, folder, beside, folders) for file in mine)
        if 2 * fit >= len(mine) or (beside and layout):
            found.update(mine)
    return found | {file for file in files if file not in found and _marks_a_neighbour(file, folders)}


def _has_image(file: Parts, folder: Parts, beside: Iterable[str], folders: Folders) -> bool:
    above, below = folder[:-1], file[len(folder) : -1]
    return any(_stem(file[-1]) in folders.get(other, ()) for other in (*((*above, name, *below) for name in beside), (*above, *below)))


def _marks_a_neighbour(file: Parts, folders: Folders) -> bool:
    """Whether `t07_mask.png` has a `t07.png` beside it."""
    stem = file[-1].rpartition(".")[0].lower()
    plain, _, last = re.sub(r"[-. ]", "_", stem).rpartition("_")
    if not plain or last not in MASKS:
        return False
    other = folders[file[:-1]].get(_stem(f"{plain}.x"))
    return other is not None and other != file


def _holds_masks(name: str) -> bool:
    return is_structural(name) and not MASKS.isdisjoint(_words(name))


def _is_images(name: str) -> bool:
    return is_structural(name) and not IMAGES.isdisjoint(_words(name))


def _stem(name: str) -> str:
    """What tells files of a folder apart: `img_007.png` and `mask_007.tif` are both 007."""
    stem = name.rpartition(".")[0] or name
    words = [word for word in _words(stem) if word not in IMAGES | OTHERS | MASKS]
    return " ".join(words) or stem.lower()


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", name.strip().lower()) if word]
