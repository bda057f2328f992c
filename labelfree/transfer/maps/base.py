"""The contract of maps: what a head of maps learns from, and what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from labelfree.transfer.words import ProtocolWords


class MapHead(nn.Module):
    """What a protocol leaves; saved beside the backbone."""

    def forward(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        """Levels (B, C_l, *grid_l), finest first -> (B, K, *shape) logits."""
        raise NotImplementedError


@dataclass(frozen=True)
class Learn:
    """What a head of maps learns from.

    `levels(tiles, mirrored)`: cached features, [(b, C_l, *grid_l)]; `masks(tiles, mirrored)`: (b, *tile) int64, IGNORE where nobody knows.
    `tiles`: the budget's. `unlabelled`: tiles of images without a label, none of them scored. `width`: classes. `shape`: of a tile.
    """

    levels: Callable[[Sequence[int], Tensor], list[Tensor]]
    masks: Callable[[Sequence[int], Tensor], Tensor]
    tiles: tuple[int, ...]
    width: int
    widths: tuple[int, ...]
    shape: tuple[int, ...]
    seed: int = 0
    unlabelled: tuple[int, ...] = ()
    device: str | torch.device = "cpu"


@dataclass(frozen=True)
class Fitted:
    """A head, the trunk that was trained with it (None: as it was), and whether training was long enough."""

    head: MapHead
    trunk: nn.Module | None = None
    converged: bool = True


class MapProtocol:
    """A way to judge maps of features at few labels."""

    name: str
    words: str
    title: str = ""
    method: str
    reading: str = ""
    needs: Literal["pooled", "tokens", "pyramid"] = "pyramid"
    trains_trunk: bool = False
    settings: tuple[float, ...] = (0.0,)
    default: float = 0.0
    plain: str = ""

    @property
    def spoken(self) -> ProtocolWords:
        return ProtocolWords(self.words, self.title, self.reading, self.plain)

    def fit(self, learn: Learn) -> Fitted:
        raise NotImplementedError

    def head(self, tensors: dict[str, Any]) -> MapHead:
        """The head of these tensors, as `fit` left it."""
        raise NotImplementedError
