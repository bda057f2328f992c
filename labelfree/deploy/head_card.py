"""What a head says of itself: by which images and labels it was taught, what it answers, and how its file is made into a head again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from labelfree.backbones.weight_card import WeightCard, card_told

FORMAT = 1


@dataclass(frozen=True)
class HeadCard:
    """All of a head but its numbers.

    `task`, `protocol`: their names. `classes`: names of an output's numbers, () where a task has none. `images`: those it was taught by
    and takes; its `architecture` and `size` are those of the network below it. `shape`: spatial size of the image in the middle of them,
    or of the tiles that a head of maps or boxes looks at; scenes are looked at in parts of that size. `parts`: of the encoder
    (`labelfree.transfer.encoders.Kept.told`). `preparation`, `setting`, `inner`: chosen inside the labels. `labels`: how many images of
    each stratum taught it, a class or what a task balances over. `threshold`: from which score on the class `alarm` is called, of a
    detector boxes of every class are told; None: the class of the largest score is. `config`: what an untrained head of maps or boxes is
    made of. `licence`: of the weights it started from and of the images.
    """

    task: str
    protocol: str
    classes: tuple[str, ...]
    images: WeightCard
    shape: tuple[int, ...]
    parts: tuple[dict[str, Any], ...]
    preparation: str = ""
    setting: float = 0.0
    inner: float | None = None
    labels: dict[str, int] = field(default_factory=dict)
    threshold: float | None = None
    alarm: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    version: str = ""
    format: int = FORMAT

    @property
    def arm(self) -> str:
        """The starting point whose features it reads."""
        return self.images.arm

    @property
    def tile(self) -> int | None:
        """Side of the tiles whose pooled features a head of whole images reads; None where it reads those of the image."""
        return next((part["tile"] for part in self.parts if "tile" in part), None)

    @property
    def taught_by(self) -> int:
        """How many labelled images."""
        return sum(self.labels.values())

    def told(self) -> dict[str, Any]:
        """All of it, as JSON keeps it."""
        return asdict(self)


def head_card_told(told: Mapping[str, Any]) -> HeadCard:
    """What `told` gave, made anew. Raises TypeError, ValueError or DataError where it is none."""
    lists = {key: tuple(told[key]) for key in ("classes", "shape", "parts")}
    return HeadCard(**{**told, **lists, "images": card_told(told["images"])})
