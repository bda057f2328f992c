"""Masks that a folder lays out beside its images: each image of a data set without a table with the file that marks it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labelfree.data.structure import Parts, holds_masks, marks_a_neighbour, mask_stems, stem_of
from labelfree.domain import Row

Images = Mapping[Parts, Mapping[str, list[Row]]]  # folder -> what tells its images apart -> those called so


def with_masks(rows: Sequence[Row], masks: Sequence[Path], root: Path) -> tuple[list[Row], set[Path]]:
    """The rows with the masks that belong to them by where these lie, and the files that were found to belong.

    A mask lies beside its image and is called as it is but for `mask`, `label`, `GT` or the like; or it lies in a folder of masks: in one
    called as that of its image (`ground_truth/CLASS/007_mask.png` is that of `test/CLASS/007.png`), or as the image itself
    (`ground_truth/CLASS/007/000.png`, where that is its only one); or the folder of masks lies beside the images (`Train/Label/007.png`).
    A folder of masks beside one of images is left to `data.labels`.
    """
    images: dict[Parts, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        parts = row.path.relative_to(root).parts
        images[parts[:-1]][stem_of(parts[-1])].append(row)
    found: dict[str, Path] = {}
    together = Counter(mask.parent for mask in masks)
    for mask in masks:
        parts = mask.relative_to(root).parts
        stems = dict.fromkeys([stem_of(parts[-1]), *mask_stems(parts[-1])])
        mine = [row for folder in _folders(parts, images) for stem in stems for row in images[folder].get(stem, ())]
        if not mine and together[mask.parent] == 1:  # it fills a folder of its own, which is called as the image
            mine = [row for folder in _folders(parts[:-1], images) for row in images[folder].get(stem_of(parts[-2]), ())]
        if len(mine) == 1 and mine[0].id not in found and mine[0].mask is None:
            found[mine[0].id] = mask
    return [replace(row, mask=str(found[row.id])) if row.id in found else row for row in rows], set(found.values())


def _folders(mask: Parts, images: Images) -> Iterator[Parts]:
    """The folders that may hold the image of a mask."""
    if marks_a_neighbour(mask, images) or (not any(map(holds_masks, mask[:-1])) and stem_of(mask[-1]) in images.get(mask[:-1], ())):
        yield mask[:-1]
        return
    for depth, name in enumerate(mask[:-1]):
        if holds_masks(name):
            above, below = mask[:depth], mask[depth + 1 : -1]
            if not below:
                yield from (folder for folder in images if folder == above)
                return
            yield from (
                folder for folder in images if folder == (*above, *below) or (folder[:depth] == above and folder[depth + 1 :] == below)
            )
            return
