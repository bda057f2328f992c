"""What every protocol of features on tiles shares: levels of features in, a head out, and the network where it was trained along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from labelfree.transfer.encoders import Encoder, NetworkEncoder
from labelfree.transfer.protocols.base import Protocol
from labelfree.transfer.tiles.learning import LearnTiles


class TileHead(nn.Module):
    """A trained head. `config`: what its protocol makes an empty one of; with its tensors that is all of it."""

    config: Mapping[str, Any]


H = TypeVar("H", bound=TileHead, covariant=True)
L = TypeVar("L", bound=LearnTiles, contravariant=True)


@dataclass(frozen=True)
class Fitted(Generic[H]):
    """A head, and the network where it was trained along. `converged`: its loss had stopped falling (docs/protocol.md, 15)."""

    head: H
    trunk: nn.Module | None = None
    converged: bool = True


class TileProtocol(Protocol, Generic[L, H]):
    """A protocol of features on tiles. It has one point in its grid: what it is called with is settled, the same for every arm."""

    shared: str = "Features: the network's pyramid on tiles and their mirror images, at the tile's own size."
    preparation: ClassVar[str] = "none"
    on_tiles = True
    settings: tuple[float, ...] = (1.0,)
    default: float = 1.0

    def suits(self, encoder: Encoder) -> bool:
        """One that trains the network along needs an arm that is a network alone."""
        return not self.trains_trunk or isinstance(encoder, NetworkEncoder)

    def step_seconds(self, learn: L) -> float | None:
        """How long a step of a fit takes on this machine, measured on a few; None where it is not trained by steps."""
        return None

    def fit(self, learn: L) -> Fitted[H]:
        """A head learned from the budget's tiles."""
        raise NotImplementedError

    def head(self, config: Mapping[str, Any]) -> H:
        """An untrained head by its `config`, to be filled with its tensors."""
        raise NotImplementedError
