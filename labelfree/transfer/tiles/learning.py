"""What a head learns from tiles, but for the labels: cached features of a budget's tiles, or the tiles as a network is shown them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from labelfree.domain import to_physical
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.network_inputs import OfStored
from labelfree.transfer.tiles.features import Tiles, input_size, shown_tiles
from labelfree.transfer.tiles.views import AS_THEY_ARE, TileDraw


class CachedLevels(Protocol):
    """Features of tiles and of their mirror images. `widths`: channels of each level."""

    @property
    def widths(self) -> tuple[int, ...]: ...

    def read(self, straight: np.ndarray, mirrored: np.ndarray) -> None:
        """Have those of these tiles, and of the mirror images of those, by their numbers."""
        ...

    def levels(self, tiles: Sequence[int] | np.ndarray, mirrored: np.ndarray) -> list[Tensor]:
        """(b, C_l, *grid_l) float32 of each level, finest first. `mirrored`: (b,) bool."""
        ...


@dataclass(frozen=True, kw_only=True)
class LearnTiles:
    """What a head learns from, but for the labels: the tiles of a budget's `images`, each also mirrored along the last axis.

    `network`: None where the arm is none that could be trained. `seen`: images that may be looked at without their labels, the budget's
    among them and none that is scored; None: the budget's alone. `width`: K, how many classes. `size`: the network's input size along a
    tile's longest side. `steps`: how many a head that is trained by steps takes; None: as many as its protocol advises.
    """

    network: NetworkEncoder | None
    maps: CachedLevels
    all_tiles: Tiles
    images: np.ndarray
    width: int
    size: int
    steps: int | None
    seed: int
    seen: np.ndarray | None = None

    @property
    def tiles(self) -> np.ndarray:
        """(t,) numbers of the budget's tiles."""
        return self.all_tiles.tiling.of_images(self.images)

    @property
    def seen_tiles(self) -> np.ndarray:
        """(t,) numbers of the tiles that may be looked at without labels."""
        return self.all_tiles.tiling.of_images(self.images if self.seen is None else self.seen)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return self.maps.widths

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape of a tile."""
        return self.all_tiles.tiling.side

    @property
    def device(self) -> torch.device:
        return torch.device("cpu" if self.network is None else self.network.device)

    def levels(self, tiles: Sequence[int] | np.ndarray, mirrored: np.ndarray) -> list[Tensor]:
        """Cached features: (b, C_l, *grid_l) float32 of each level, finest first. `mirrored`: (b,) bool."""
        return self.maps.levels(tiles, mirrored)

    def inputs(self, tiles: Sequence[int] | np.ndarray, mirrored: np.ndarray, drawn: TileDraw = AS_THEY_ARE) -> Tensor:
        """(b, C, *size) what the network is shown. `drawn`: their views, of `TileViews`; poses and light are made in physical units."""
        assert self.network is not None
        if drawn == AS_THEY_ARE:
            return shown_tiles(self.network, self.all_tiles, tiles, mirrored, self.size)
        reads, (stored, measured) = self.network.prepare, self.all_tiles.stored(tiles, mirrored)
        assert isinstance(reads, OfStored)
        known = None if measured is None else measured.to(self.device)
        physical, known = drawn.images(to_physical(stored.to(self.device), reads.scale, reads.offset), known)
        whole = to_physical(self.all_tiles.whole(tiles).to(self.device), reads.scale, reads.offset) if self.network.by_image else None
        return reads.shown(physical, input_size(self.shape, self.size), known, whole)

    def trunk(self) -> nn.Module:
        """A copy of the network that may be trained, with `pyramid(x) -> levels`."""
        assert self.network is not None
        return deepcopy(self.network.network)
