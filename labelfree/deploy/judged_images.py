"""What heads of patches say, image by image: a table of scores and verdicts, and a map of each image of where its score comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelfree.deploy.asked_image import open_image
from labelfree.deploy.class_maps import MAPS, map_names
from labelfree.deploy.growing_tables import SKIPPED, TABLE, UNFINISHED, fill, number
from labelfree.deploy.input_images import InputImages
from labelfree.deploy.patch_heads import PatchesHead
from labelfree.deploy.tile_heads import Slices
from labelfree.domain import Row, Sample, Writes
from labelfree.errors import DataError
from labelfree.progress import Progress
from labelfree.reporting import save_picture
from labelfree.reporting.heat_pictures import heated, plain_heat
from labelfree.reporting.segment_pictures import plane

HEADER = ("path", "score", "threshold", "verdict", "map")


def write_judged(
    head: PatchesHead, images: InputImages, out: Path, say: Progress, region: Path | None = None, vector: Path | None = None
) -> tuple[list[Path], dict[str, Any]]:
    """`predictions.csv`: path, score, threshold, verdict (both empty where the head has no threshold), map; `maps/<image>.png`, the image
    under its scores, and where the domain writes numbers on the grid of an image these too.

    `region`: a file of shapes outside of which nothing is looked at. Returns the files, and how many images there are. Raises DataError
    naming the image that does not fit the head.
    """
    if vector is not None:
        raise DataError("--vector: this head says how anomalous every pixel is, which is no shape; leave --vector out.")
    names, work = map_names(images.rows), _Work(head, images, region)
    threshold = "" if head.card.threshold is None else number(head.card.threshold)

    def answer(row: Row) -> list[str] | str:
        told = work.image(row, out / MAPS / names[row.id])
        if isinstance(told, str):
            return told
        score, file = told
        return [number(score), threshold, head.verdict(score), file.relative_to(out).as_posix()]

    skipped = fill(out, HEADER, images.rows, say, answer)
    (out / UNFINISHED).replace(out / TABLE)
    return [out / TABLE, *([out / SKIPPED] if skipped else [])], {"images": len(images.rows) - skipped, "skipped": skipped}


@dataclass(frozen=True)
class _Work:
    """Judges one image and draws its map."""

    head: PatchesHead
    images: InputImages
    region: Path | None

    def image(self, row: Row, path: Path) -> tuple[float, Path] | str:
        """The score and the picture of the map; or why the image is left out."""
        domain, asked = self.images.domain, open_image(self.images, row, self.region)
        if isinstance(asked, str):
            return asked
        image = asked.slices
        judged = self.head.judged(image.read, image.size, asked.wanted)
        if isinstance(domain, Writes):
            domain.write(torch.from_numpy(judged.heat)[None], _grid_of(image), path)
        file = path.with_name(f"{path.name}.png")
        save_picture(self._drawn(image, judged.heat), file)
        return judged.score, file

    def _drawn(self, image: Slices, heat: np.ndarray) -> np.ndarray:
        """The image under its scores, full where they reach twice the threshold; of a scene the scores alone, for it is not in memory."""
        full = 2 * self.head.card.threshold if self.head.card.threshold else float(np.nanmax(heat, initial=0.0))
        if tuple(image.first.data.shape[1:]) != image.size:
            return plain_heat(heat, full)
        return heated(self.images.domain.preview(image.first), plane(heat), full)


def _grid_of(image: Slices) -> Sample:
    """A sample as large as the image, for its grid: pixels of a scene are not read for it."""
    first = image.first
    if tuple(first.data.shape[1:]) == image.size:
        return first
    return replace(first, data=first.data.new_zeros(1).expand(len(first.data), *image.size), measured=None, bounds=None)
