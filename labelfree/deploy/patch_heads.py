"""Heads that tell what is not as normal images are: tiles are looked at one after the other, an image is scored by the worst of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from labelfree.data.measured_pixels import finite
from labelfree.deploy.tile_heads import Reads, TilesHead, Wanted, in_memory, known_pixels, slices
from labelfree.domain import Sample
from labelfree.transfer.patches.base import PatchHead
from labelfree.transfer.patches.cells import cells_of
from labelfree.transfer.patches.heat import HeatMap, Seen
from labelfree.transfer.patches.tokens import PatchTokens
from labelfree.transfer.tiles.features import input_size


@dataclass(frozen=True)
class Judged:
    """What a head says of one image. `score`: how far the patch that is least like normal images lies from these. `anomalous`: whether that
    reaches the head's threshold, None where it has none. `heat`: (*spatial) float32, distances at every pixel, NaN where nothing is
    measured.
    """

    score: float
    anomalous: bool | None
    heat: np.ndarray


class PatchesHead(TilesHead[Judged]):
    """A head of patches. The map of an image stands in memory: 4 bytes a pixel."""

    head: PatchHead

    def predict(self, image: str | Path | Sample) -> Judged:
        sliced = in_memory(image, self.domain.name) if isinstance(image, Sample) else slices(self.domain, self.row(image))
        return self.judged(sliced.read, sliced.size)

    def verdict(self, score: float) -> str:
        """The class that is called from the threshold on, else the other; "" without a threshold."""
        if self.card.threshold is None:
            return ""
        return self.classes[int(score >= self.card.threshold)]

    @torch.inference_mode()
    def judged(self, read: Reads, size: tuple[int, ...], wanted: Wanted | None = None) -> Judged:
        """Of an image that is read in slices; where it is `wanted`, else of all of it. Raises DataError for one that it does not take."""
        side, whole = self.card.shape, self.whole(read, size)
        shown = input_size(side, self.size)
        tokens = PatchTokens(shown if isinstance(shown, tuple) else (shown,))
        made, best = HeatMap(size, side), 0.0
        for first in self.corners(size):
            start, stop = max(0, first), min(first + side[0], size[0])
            sample = finite(read(start, stop))
            known = known_pixels(sample, None if wanted is None else wanted(start, stop))
            seen, gap = list[Seen](), None if sample.measured is None else ~sample.measured.numpy()
            for corners, levels in self.looked_at(sample, known, first - start, whole):
                parts = tokens(levels, side)
                distances = self.head(parts)
                cells = np.stack([cells_of(known, corner, side, tuple(distances.shape[1:]), gap) for corner in corners])
                best = max(best, float(self.head.score(parts, distances, torch.from_numpy(cells).to(distances.device)).max()))
                told = zip(corners, distances.cpu().numpy(), cells, strict=True)
                seen += [Seen((corner[0] + start, *corner[1:]), apart, own) for corner, apart, own in told]
            made.add(first, seen, known)
        anomalous = None if self.card.threshold is None else best >= self.card.threshold
        return Judged(best, anomalous, made.heat)
