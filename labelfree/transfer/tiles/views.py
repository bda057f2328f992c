"""Views of labelled tiles, for a network that is trained along: the poses and the light that its field allows, labels posed alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from labelfree.data.boxes import Boxes
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.network_inputs import OfStored
from labelfree.views import Geometry, ViewOp


@dataclass(frozen=True)
class TileDraw:
    """What was drawn for a batch of tiles, as (op, its parameters): `poses` move pixels and labels, `light` changes what pixels hold."""

    poses: tuple[tuple[Geometry, Any], ...] = ()
    light: tuple[tuple[ViewOp, Any], ...] = ()

    def images(self, physical: Tensor, measured: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, C, *side) in physical units, and (B, *side) bool where they are measured, None: everywhere."""
        for op, params in self.poses:
            physical = op.apply(physical, params)
        known = None if measured is None else self.masks(measured)
        for light, params in self.light:
            physical = light.apply(physical, params) if known is None else light.apply_measured(physical, params, known)
        return physical, known

    def masks(self, masks: Tensor) -> Tensor:
        """(B, *side) of whole numbers or bool."""
        for op, params in self.poses:
            masks = op.apply(masks[:, None], params)[:, 0]
        return masks

    def boxes(self, boxes: Sequence[Boxes], side: Sequence[int]) -> list[Boxes]:
        """Of each tile; what left it is gone."""
        corners = [torch.from_numpy(each.corners) for each in boxes]
        for op, params in self.poses:
            corners = op.apply_boxes(corners, side, params)
        posed = [Boxes(moved.numpy(), each.label, each.ignored) for moved, each in zip(corners, boxes, strict=True)]
        axes = len(side)
        return [each[np.flatnonzero((each.corners[:, axes:] > each.corners[:, :axes]).all(1))] for each in posed]


AS_THEY_ARE = TileDraw()


class TileViews:
    """Draws views of tiles of the spatial shape `side`: none of a network whose field knows no views, or that reads pixels in its own way.

    The tile stays whole and at its scale. Ops that cover parts of an image are left out, for a label of what lies there would be wrong,
    and so are those on normalised values: each network normalises as it does otherwise.
    """

    def __init__(self, network: NetworkEncoder, side: Sequence[int]) -> None:
        known = network.augmentation if isinstance(network.prepare, OfStored) else None
        geometry, physics = ((*known.geometry, *known.labelled), known.physics) if known else ((), ())
        self.poses = [op.on(side).to(network.device) for op in geometry if isinstance(op, Geometry)]
        self.light = [op.to(network.device) for op in physics if not op.covers]

    def draw(self, count: int, generator: Generator) -> TileDraw:
        """One for `count` tiles."""
        poses = tuple((op, op.draw(count, generator)) for op in self.poses)
        return TileDraw(poses, tuple((op, op.draw(count, generator)) for op in self.light))
