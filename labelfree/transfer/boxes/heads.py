"""A detector's head: a narrow feature pyramid on the levels of any network, and a detector of torchvision on that."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import FeaturePyramidNetwork

from labelfree.data.boxes import Boxes
from labelfree.errors import RecipeError
from labelfree.transfer.boxes.detectors import DETECTORS, FCOS_NAME, Anchors, Target
from labelfree.transfer.boxes.strides import at_stride, frame_of, sources, strides_for
from labelfree.transfer.tiles.scaled_levels import ScaledLevels

WIDTH = 64  # channels of the pyramid and of the detector
NARROW, WIDE = 2.0, 6.0  # times the finest stride: how short and how long the smallest anchor's side may be
FEW = 0.05  # of the boxes, that may be smaller than every anchor
THIRDS = (1 / 6, 1 / 2, 5 / 6)  # quantiles in the middle of three equal parts


class Found(NamedTuple):
    """What is found on one tile, in its pixels: `corners` (n, 4) x0 y0 x1 y1, `label` (n,) and `score` (n,)."""

    corners: Tensor
    label: Tensor
    score: Tensor


class BoxHead(ScaledLevels):
    """Levels, each channel standardised -> feature pyramid (Lin et al. 2017, arXiv:1612.03144) -> boxes.

    `detector`: a key of DETECTORS. `classes`: K. `levels`: channels of each. `strides`: pixels to a cell of what the detector looks at;
    `chosen`: the level that is brought to each of them. `side`, `ratios`: of anchors, where it has any. `width`: channels.
    """

    def __init__(
        self,
        detector: str,
        classes: int,
        levels: Sequence[int],
        strides: Sequence[int],
        chosen: Sequence[int],
        side: float,
        ratios: Sequence[float],
        width: int = WIDTH,
    ) -> None:
        super().__init__()
        self.config = {
            "detector": detector, "classes": classes, "levels": list(levels), "strides": list(strides), "chosen": list(chosen),
            "side": side, "ratios": list(ratios), "width": width,
        }  # fmt: skip
        self.strides, self.chosen = tuple(strides), tuple(chosen)
        self.hold_scales(levels)
        self.pyramid = FeaturePyramidNetwork([levels[at] for at in chosen], width)
        self.detector = DETECTORS[detector](classes, strides, width, Anchors(side, tuple(ratios)))

    def forward(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> list[Found]:
        """Levels (B, C_l, *grid_l) of tiles of `shape` (height, width), as `strides.reduced` gives them -> boxes of each tile."""
        found = self.detector.find(self.seen(levels, shape), frame_of(shape))
        larger = self._scale(shape, found[0]["boxes"])
        return [Found(each["boxes"] / larger, each["labels"], each["scores"]) for each in found]

    def loss(self, levels: Sequence[Tensor], shape: tuple[int, ...], boxes: Sequence[Boxes]) -> Tensor:
        """Beside what is labelled on each tile, in its pixels."""
        targets = [self._target(each, shape, levels[0].device) for each in boxes]
        loss: Tensor = self.detector.loss(self.seen(levels, shape), frame_of(shape), targets)
        return loss

    def seen(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> list[Tensor]:
        """What the detector looks at: (B, width, *grid) at each of the strides."""
        known = self.standardised(levels)
        brought = [at_stride(known[at], stride, shape) for at, stride in zip(self.chosen, self.strides, strict=True)]
        return list(self.pyramid(OrderedDict((str(at), level) for at, level in enumerate(brought))).values())

    def _target(self, boxes: Boxes, shape: tuple[int, ...], device: torch.device) -> Target:
        corners = torch.from_numpy(boxes.corners).to(device)
        corners = corners * self._scale(shape, corners)
        aside = torch.from_numpy(boxes.ignored).to(device)
        return {"boxes": corners[~aside], "labels": torch.from_numpy(boxes.label).to(device)[~aside], "ignored": corners[aside]}

    def _scale(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """(4,) how many times as large corners are in the frame."""
        down, across = (whole / side for whole, side in zip(frame_of(shape), shape, strict=True))
        return like.new_tensor([across, down, across, down])


def head_of(
    levels: Sequence[Tensor], shape: tuple[int, ...], classes: int, sizes: Tensor, detector: str = FCOS_NAME, width: int = WIDTH
) -> BoxHead:
    """A fresh head for levels (B, C_l, *grid_l) of tiles of `shape`. Its weights come from torch's random numbers.

    `sizes`: (n, 2) width and height of the budget's boxes, in pixels. The finest stride is that of `strides_for`. The smallest anchor's
    side is the one that FEW of the boxes' (the square root of their area) are shorter than, in NARROW to WIDE strides; the three ratios
    are those in the middle of three equal parts of the boxes. Raises RecipeError for another detector and for volumes.
    """
    if len(shape) != 2:
        raise RecipeError(f"evaluate.protocols: detectors find boxes in pictures, and these images have {len(shape)} spatial axes.")
    if detector not in DETECTORS:
        raise RecipeError(f"{detector} is no detector; there are {', '.join(sorted(DETECTORS))}.")
    strides = strides_for(sizes.min(1).values)
    side = torch.quantile(sizes.prod(1).sqrt(), FEW).item()
    side = min(max(side, NARROW * strides[0]), WIDE * strides[0])
    ratios = torch.quantile(sizes[:, 1] / sizes[:, 0], torch.tensor(THIRDS)).clamp(1 / 4, 4)
    widths = [int(level.shape[1]) for level in levels]
    return BoxHead(detector, classes, widths, strides, sources(levels, shape, strides), round(side, 3), _rounded(ratios), width)


def _rounded(ratios: Tensor) -> list[float]:
    """As they stand in a card."""
    return [round(each, 3) for each in ratios.tolist()]
