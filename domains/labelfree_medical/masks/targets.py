"""Labels of an image on its grid: masks of any format, boxes as they were drawn on pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labelfree.domain import Row, Sample, Targets
from labelfree.errors import DataError
from labelfree_medical.masks.grids import Grid
from labelfree_medical.masks.reading import read_mask


def read_targets(row: Row, sample: Sample, names: Mapping[int, str] | None = None, whole: Grid | None = None) -> Targets:
    """`labelfree.domain.ReadsTargets` for a sample of `row`; `names` and `whole` as `read_mask` takes them."""
    import torch

    mask = read_mask(Path(row.mask), sample, names, row.called, whole, row.window).mask if row.mask else None
    if row.boxes is None:
        return Targets(mask)
    if row.listed is None:
        raise DataError(f"{row.boxes}: boxes are read from Pascal VOC's .xml in a table, or from a file of labels (docs/labels.md).")
    if sample.data.ndim != 3:
        raise DataError(f"{row.boxes}: boxes are drawn on pictures, {row.called} is a volume; give a mask.")
    from labelfree.data.label_formats.annotated import Placing

    height, width = sample.data.shape[1:]
    drawn = Placing().image(row.id, row.path, row.listed, lambda path: (height, width), row.window)
    boxes = torch.tensor([_corners(*each.box) for each in drawn.objects], dtype=torch.float32)
    ignored = torch.tensor([_corners(*(region.box or (0, 0, width, height))) for region in drawn.ignored], dtype=torch.float32)
    return Targets(mask, boxes.view(-1, 4), tuple(each.name for each in drawn.objects), ignored.view(-1, 4))


def _corners(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
    return top, left, bottom, right
