"""What every protocol of maps shares: levels of features in, a head that gives logits at every pixel out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.transfer.encoders import Encoder, NetworkEncoder
from labelfree.transfer.protocols.base import Protocol

if TYPE_CHECKING:
    from labelfree.transfer.maps.learning import Learn

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}  # axes -> how torch calls interpolation between neighbours


class MapHead(nn.Module):
    """A trained head. `config`: what its protocol makes an empty one of; with its tensors that is all of it."""

    config: Mapping[str, Any]

    def forward(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        """Levels (B, C_l, *grid_l), finest first -> (B, K, *shape) logits."""
        raise NotImplementedError


@dataclass(frozen=True)
class Fitted:
    """A head, and the network where it was trained along. `converged`: its loss had stopped falling (docs/protocol.md, 15)."""

    head: MapHead
    trunk: nn.Module | None = None
    converged: bool = True


class MapProtocol(Protocol):
    """A protocol of maps. It has one point in its grid: what it is called with is settled, the same for every arm."""

    needs = "pyramid"
    shared: str = "Features: the network's pyramid on tiles and their mirror images, at the tile's own size."
    preparation: ClassVar[str] = "none"
    settings: tuple[float, ...] = (1.0,)
    default: float = 1.0

    def suits(self, encoder: Encoder) -> bool:
        """One that trains the network along needs an arm that is a network alone."""
        return not self.trains_trunk or isinstance(encoder, NetworkEncoder)

    def step_seconds(self, learn: Learn) -> float | None:
        """How long a step of a fit takes on this machine, measured on a few; None where it is not trained by steps."""
        return None

    def fit(self, learn: Learn) -> Fitted:
        """A head learned from the budget's tiles."""
        raise NotImplementedError

    def head(self, config: Mapping[str, Any]) -> MapHead:
        """An untrained head by its `config`, to be filled with its tensors."""
        raise NotImplementedError


def to_shape(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(B, C, *grid) brought to (B, C, *shape), linear between the centres of cells."""
    if tuple(maps.shape[2:]) == tuple(shape):
        return maps
    return F.interpolate(maps, size=shape, mode=LINEAR[len(shape)], align_corners=False)
