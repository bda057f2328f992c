"""Labels of an image on its grid: masks of any format, boxes as they were drawn on pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.domain import Row, Sample, Targets, Window
from labelfree.errors import DataError
from labelfree_medical.masks.grids import Grid

if TYPE_CHECKING:
    import numpy as np

    from labelfree_medical.stored import Stored


def read_mask(
    path: Path,
    image: Stored,
    names: Mapping[int, str] | None = None,
    called: str = "",
    whole: Grid | None = None,
    window: Window | None = None,
    files: Sequence[Path] = (),
) -> Targets:
    """A mask as whole numbers on the grid of `image`, placed by its coordinates where both have any, else voxel by voxel.

    `names`: the classes of the set, as `open_mask` takes them. `called`: the image, in sentences. `whole`: the grid of the image as it is
    stored, where `image` was prepared or is a part of it in space; `window`: the part of a picture that it is. `files`: all
    of the mask, where it is several, or is named after its class.
    Raises `DataError` naming the mask: broken, with fractions, or beside its image.
    """
    import torch

    from labelfree.data.masks import in_window
    from labelfree_medical.masks.joining import joined
    from labelfree_medical.masks.mask_files import open_mask
    from labelfree_medical.masks.placing import NumberedVoxels, placed

    grid = Grid.of(image)

    def on_grid(file: Path) -> np.ndarray:
        mask = open_mask(file, len(grid.size), names, of_one_class=bool(files))
        if window is not None and mask.grid.affine is None:
            part = in_window(mask.numbers, grid.size, window)
            mask = NumberedVoxels(part, Grid(tuple(part.shape)))
        return placed(file, mask, grid, called, whole)

    return Targets(torch.from_numpy(joined({file: on_grid(file) for file in files}) if files else on_grid(path)))


def boxes_on(row: Row, sample: Sample) -> Targets:
    """The boxes of a row's picture, in the sample's pixels; none where it has none. Raises `DataError` for a volume."""
    if row.boxes is None:
        return Targets()
    if row.listed is None:
        raise DataError(f"{row.boxes}: boxes are read from Pascal VOC's .xml in a table, or from a file of labels (docs/labels.md).")
    if sample.data.ndim != 3:
        raise DataError(f"{row.boxes}: boxes are drawn on pictures, {row.called} is a volume; give a mask.")
    import torch

    from labelfree.data.label_formats.annotated import Placing

    height, width = sample.data.shape[1:]
    drawn = Placing(upright=True).image(row.id, row.path, row.listed, lambda path: (height, width), row.window)
    boxes = torch.tensor([_corners(*each.box) for each in drawn.objects], dtype=torch.float32)
    ignored = torch.tensor([_corners(*(region.box or (0, 0, width, height))) for region in drawn.ignored], dtype=torch.float32)
    return Targets(None, boxes.view(-1, 4), tuple(each.name for each in drawn.objects), ignored.view(-1, 4))


def _corners(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
    return top, left, bottom, right
