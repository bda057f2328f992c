"""What every protocol of maps shares: what it learns from, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from labelfree.backbones.base import Backbone
from labelfree.transfer.protocols.base import HeadProtocol

IGNORE = -1  # in masks: nobody knows


class MapHead(nn.Module):
    """What a protocol leaves; saved beside the backbone."""

    def forward(self, levels: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        """Levels (B, C_l, *grid_l), finest first -> logits (B, K, *shape)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Learn:
    """What a head of maps learns from.

    `levels`: (tiles, mirrored (b,) bool) -> [(b, C_l, *grid_l)] float32, finest first, cached. `inputs`: the same -> (b, C, *tile), what
    the network is given; asked only where it is trained. `masks`: the same -> (b, *tile) int64, IGNORE where nobody knows. `tiles`: (t,)
    those of the budget. `width`: K classes. `widths`: C_l. `shape`: of a tile. `trunk`: makes a fresh copy of the network; None where an
    arm has none. `seconds`: that one fit may take; `steps`: planned, the same for every arm. `device`: where the fit takes place.
    """

    levels: Callable[[np.ndarray, Tensor], list[Tensor]]
    inputs: Callable[[np.ndarray, Tensor], Tensor]
    masks: Callable[[np.ndarray, Tensor], Tensor]
    tiles: np.ndarray
    width: int
    widths: tuple[int, ...]
    shape: tuple[int, ...]
    trunk: Callable[[], Backbone] | None = None
    seconds: float | None = None
    steps: int | None = None
    seed: int = 0
    device: torch.device | str = "cpu"


@dataclass(frozen=True)
class Fitted:
    """A trained head, and the network where it was trained along. `converged`: PROTOCOL 15, its loss had stopped falling."""

    head: MapHead
    trunk: nn.Module | None
    converged: bool


class MapProtocol(HeadProtocol):
    """A way to judge maps of features at few labels."""

    def fit(self, learn: Learn) -> Fitted:  # type: ignore[override]
        raise NotImplementedError
